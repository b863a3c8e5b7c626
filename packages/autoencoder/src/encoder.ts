import { ShapeError } from '@sd/core';
import { type Conv2d, type GroupNorm, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { type AutoencoderArchitecture, downsampleFactor } from './config';
import { norm, normSilu, trunkConv } from './layers';
import { Level } from './level';
import { MidBlock } from './mid-block';
import { type ForwardOptions, partOptions } from './resnet-block';
import { sequence } from './sequence';

/** CompVis model.Encoder. State: `conv_in`, `down.i`, `mid`, `norm_out`, `conv_out`. */
export class Encoder extends Module {
  readonly convIn: Conv2d;
  readonly down: readonly Level[];
  readonly mid: MidBlock;
  readonly normOut: GroupNorm | undefined;
  readonly convOut: Conv2d;

  constructor(readonly config: AutoencoderArchitecture) {
    super();
    const { ch, chMult, numResBlocks, attnResolutions, attnType, inChannels, resolution, zChannels, doubleZ } = config;
    this.convIn = this.child('conv_in', trunkConv({ inChannels, outChannels: ch }, 3, config));
    this.down = chMult.map((multiplier, level) => {
      const levelConfig = {
        inChannels: ch * (level === 0 ? 1 : chMult[level - 1]),
        outChannels: ch * multiplier,
        blocks: numResBlocks,
        attention: attnType === 'vanilla' && attnResolutions.includes(resolution / 2 ** level),
        resample: level < chMult.length - 1 ? ('down' as const) : ('none' as const),
      };
      return this.child(`down.${level}`, new Level(levelConfig, config));
    });
    const channels = ch * chMult[chMult.length - 1];
    this.mid = this.child('mid', new MidBlock(channels, config));
    const normOut = norm(channels, config, true);
    if (normOut) this.normOut = this.child('norm_out', normOut);
    const outChannels = doubleZ ? 2 * zChannels : zChannels;
    this.convOut = this.child('conv_out', trunkConv({ inChannels: channels, outChannels }, 3, config));
  }

  /**
   * @param x `[N, H, W, inChannels]`, H and W multiples of the factor f = 2^(levels - 1). Borrowed.
   * @returns `[N, H/f, W/f, zChannels]`, or 2 zChannels with doubleZ. Owned by the caller. @throws {ShapeError}
   */
  forward(x: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    checkImage('Encoder', x, this.config);
    return sequence(x, [
      (h) => this.convIn.forward(h),
      ...this.down.flatMap((level, i) => level.steps(partOptions(options, i))),
      ...this.mid.steps(partOptions(options, 'mid')),
      (h) => normSilu(this.normOut, h),
      (h) => this.convOut.forward(h),
    ]);
  }

  /** Multiply-accumulates of the convolutions for one sample of this size. */
  macs(height: number, width: number): number {
    let total = this.convIn.macs(height, width);
    for (const [i, level] of this.down.entries()) total += level.macs(height / 2 ** i, width / 2 ** i);
    const factor = downsampleFactor(this.config);
    const [h, w] = [height / factor, width / factor];
    return total + this.mid.macs(h, w) + this.convOut.macs(h, w);
  }
}

/** @throws {ShapeError} unless x is an image batch that halves evenly at every level. */
export function checkImage(operation: string, x: Tensor4D, config: AutoencoderArchitecture): void {
  const factor = downsampleFactor(config);
  const [, height, width, channels] = x.shape;
  if (
    x.shape.length !== 4 ||
    height === 0 ||
    width === 0 ||
    height % factor !== 0 ||
    width % factor !== 0 ||
    channels !== config.inChannels
  ) {
    const size = factor === 1 ? ['H', 'W'] : [`multiple of ${factor}`, `multiple of ${factor}`];
    throw new ShapeError(operation, 'x', `[N, ${size.join(', ')}, ${config.inChannels}]`, x.shape);
  }
}
