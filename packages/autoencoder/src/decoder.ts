import { checkShape } from '@sd/core';
import { type Conv2d, type GroupNorm, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderArchitecture } from './config';
import { norm, normSilu, trunkConv } from './layers';
import { Level } from './level';
import { MidBlock } from './mid-block';
import { type ForwardOptions, partOptions } from './resnet-block';
import { sequence } from './sequence';

/** CompVis model.Decoder. State: `conv_in`, `mid`, `up.i` (run from the last to the first), `norm_out`, `conv_out`. */
export class Decoder extends Module {
  readonly convIn: Conv2d;
  readonly mid: MidBlock;
  /** By level, the finest first, as in the state dict. */
  readonly up: readonly Level[];
  readonly normOut: GroupNorm | undefined;
  /** The last layer, whose gradient LDM's adaptive discriminator weight is measured on. */
  readonly convOut: Conv2d;

  constructor(readonly config: AutoencoderArchitecture) {
    super();
    const { ch, chMult, numResBlocks, attnResolutions, attnType, outCh, resolution, zChannels } = config;
    const last = chMult.length - 1;
    const coarsest = ch * chMult[last];
    this.convIn = this.child('conv_in', trunkConv({ inChannels: zChannels, outChannels: coarsest }, 3, config));
    this.mid = this.child('mid', new MidBlock(coarsest, config));
    this.up = chMult.map((multiplier, level) => {
      const levelConfig = {
        inChannels: ch * chMult[Math.min(level + 1, last)],
        outChannels: ch * multiplier,
        blocks: numResBlocks + 1,
        attention: attnType === 'vanilla' && attnResolutions.includes(resolution / 2 ** level),
        resample: level > 0 ? ('up' as const) : ('none' as const),
      };
      return this.child(`up.${level}`, new Level(levelConfig, config));
    });
    const channels = ch * chMult[0];
    const normOut = norm(channels, config, true);
    if (normOut) this.normOut = this.child('norm_out', normOut);
    this.convOut = this.child('conv_out', trunkConv({ inChannels: channels, outChannels: outCh }, 3, config));
  }

  /**
   * @param z `[N, h, w, zChannels]`. Borrowed.
   * @returns `[N, f h, f w, outCh]`, f = 2^(levels - 1). Owned by the caller. @throws {ShapeError}
   */
  forward(z: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    return tf.tidy(() => this.convOut.forward(this.features(z, options)));
  }

  /**
   * All but the last layer: what `convOut` makes the image of.
   * @param z `[N, h, w, zChannels]`. Borrowed. @returns `[N, f h, f w, ch]`. Owned by the caller. @throws {ShapeError}
   */
  features(z: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    checkShape('Decoder', 'z', z, ['N', 'h', 'w', this.config.zChannels]);
    const levels = [...this.up.entries()].reverse();
    return sequence(z, [
      (h) => this.convIn.forward(h),
      ...this.mid.steps(partOptions(options, 'mid')),
      ...levels.flatMap(([i, level]) => level.steps(partOptions(options, i))),
      (h) => normSilu(this.normOut, h),
    ]);
  }

  /** Multiply-accumulates of the convolutions for one latent of this size. */
  macs(height: number, width: number): number {
    let total = this.convIn.macs(height, width) + this.mid.macs(height, width);
    const last = this.up.length - 1;
    for (const [i, level] of this.up.entries()) total += level.macs(height * 2 ** (last - i), width * 2 ** (last - i));
    return total + this.convOut.macs(height * 2 ** last, width * 2 ** last);
  }
}
