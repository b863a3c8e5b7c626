import { ShapeError } from '@sd/core';
import { Conv2d, Module, ownLayout, type StateDictLayout } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { sequence } from '../sequence';
import { type AutoencoderTinyConfig, tinyDownsampleFactor } from './config';
import { TinyBlock } from './tiny-block';

/** TAESD's encoder, for images in [0, 1]. State: `N`, the places in TAESD's torch.nn.Sequential. */
export class TinyEncoder extends Module {
  readonly layers: readonly (Conv2d | TinyBlock)[];

  constructor(readonly config: AutoencoderTinyConfig) {
    super();
    const { inChannels, latentChannels, encoderCh: ch, encoderBlocks, pool } = config;
    const layers: (Conv2d | TinyBlock)[] = [];
    for (const [level, blocks] of encoderBlocks.entries()) {
      layers.push(
        level === 0
          ? new Conv2d({ inChannels, outChannels: ch, kernel: 3, pad: 1 })
          : new Conv2d({ inChannels: ch, outChannels: ch, kernel: 3, pad: 1, stride: 2, bias: false }),
      );
      const coarsest = level === encoderBlocks.length - 1;
      for (let i = 0; i < blocks; i++) layers.push(new TinyBlock(ch, { pool: pool && coarsest }));
    }
    layers.push(new Conv2d({ inChannels: ch, outChannels: latentChannels, kernel: 3, pad: 1 }));
    this.layers = layers.map((layer, i) => this.child<Conv2d | TinyBlock>(`${i}`, layer));
  }

  /** TAESD's file of an encoder, and the encoder in a file of diffusers. */
  override stateDictLayouts(): StateDictLayout[] {
    return [ownLayout('TAESD', this), ownLayout('diffusers', this, [{ prefix: 'encoder.layers.' }])];
  }

  /**
   * @param x `[N, H, W, inChannels]`, H and W multiples of f = 2^(levels - 1), in [0, 1]. Borrowed.
   * @returns `[N, H/f, W/f, latentChannels]`. Owned by the caller. @throws {ShapeError}
   */
  forward(x: Tensor4D): Tensor4D {
    checkTinyImage('TinyEncoder', x, this.config);
    return sequence(
      x,
      this.layers.map((layer) => (h: Tensor4D) => layer.forward(h)),
    );
  }

  /** Multiply-accumulates of the convolutions for one sample of this size. */
  macs(height: number, width: number): number {
    let [total, h, w] = [0, height, width];
    for (const layer of this.layers) {
      total += layer.macs(h, w);
      if (layer instanceof Conv2d) [h, w] = layer.outputSize(h, w);
    }
    return total;
  }
}

/** @throws {ShapeError} unless x is an image batch that halves evenly at every level. */
export function checkTinyImage(operation: string, x: Tensor4D, config: AutoencoderTinyConfig): void {
  const factor = tinyDownsampleFactor(config);
  const [, height, width, channels] = x.shape;
  const fits = (size: number) => size > 0 && size % factor === 0;
  if (x.shape.length !== 4 || !fits(height) || !fits(width) || channels !== config.inChannels) {
    const multiple = `multiple of ${factor}`;
    throw new ShapeError(operation, 'x', `[N, ${multiple}, ${multiple}, ${config.inChannels}]`, x.shape);
  }
}
