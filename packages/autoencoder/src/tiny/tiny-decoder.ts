import { checkShape } from '@sd/core';
import { Conv2d, Module, ownLayout, renamed, type StateDictLayout } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Step, sequence } from '../sequence';
import type { AutoencoderTinyConfig } from './config';
import { TinyBlock } from './tiny-block';

type Layer = Conv2d | TinyBlock | 'relu' | 'upsample';

/** TAESD clamps its latents softly: tanh(z / 3) 3. */
const CLAMP = 3;

/**
 * TAESD's decoder, to images in [0, 1], which it does not clamp. State: `N`, the places in diffusers' `decoder.layers`;
 * TAESD's own are one higher, because its clamp of the latent has a place there.
 */
export class TinyDecoder extends Module {
  readonly layers: readonly Layer[];

  constructor(readonly config: AutoencoderTinyConfig) {
    super();
    const { outCh, latentChannels, decoderCh: ch, decoderBlocks, pool } = config;
    const conv = (inChannels: number, outChannels: number, bias: boolean) =>
      new Conv2d({ inChannels, outChannels, kernel: 3, pad: 1, bias });
    const layers: Layer[] = [conv(latentChannels, ch, true), 'relu'];
    for (const [level, blocks] of decoderBlocks.entries()) {
      for (let i = 0; i < blocks; i++) layers.push(new TinyBlock(ch, { pool: pool && level === 0 }));
      if (level < decoderBlocks.length - 1) layers.push('upsample', conv(ch, ch, false));
    }
    layers.push(conv(ch, outCh, true));
    this.layers = layers;
    for (const [i, layer] of layers.entries()) {
      if (typeof layer !== 'string') this.child<Conv2d | TinyBlock>(`${i}`, layer);
    }
  }

  /** TAESD's file of a decoder, which is also how it is written alone, and the decoder in a file of diffusers. */
  override stateDictLayouts(): StateDictLayout[] {
    const taesd = [...this.parameters()].map(([name, { torchShape }]) => {
      return [
        name,
        renamed(
          name.replace(/^\d+/, (place) => `${Number(place) + 1}`),
          torchShape,
        ),
      ] as const;
    });
    const places = [{ prefix: 'decoder.layers.' }];
    return [{ project: 'TAESD', tensors: new Map(taesd) }, ownLayout('diffusers', this, places)];
  }

  /**
   * @param z `[N, h, w, latentChannels]`. Borrowed.
   * @returns `[N, f h, f w, outCh]`, f = 2^(levels - 1). Owned by the caller. @throws {ShapeError}
   */
  forward(z: Tensor4D): Tensor4D {
    checkShape('TinyDecoder', 'z', z, ['N', 'h', 'w', this.config.latentChannels]);
    const steps = this.layers.flatMap((layer, i): Step[] => {
      if (layer === 'relu') return [(h) => tf.relu(h)];
      if (layer === 'upsample') return []; // by the convolution that follows
      const isUpsampled = this.layers[i - 1] === 'upsample' && layer instanceof Conv2d;
      return [(h) => (isUpsampled ? layer.forwardUpsampled(h) : layer.forward(h))];
    });
    return sequence(z, [(h) => tf.tidy(() => tf.mul(tf.tanh(tf.div(h, CLAMP)), CLAMP)), ...steps]);
  }

  /** Multiply-accumulates of the convolutions for one latent of this size. */
  macs(height: number, width: number): number {
    let [total, scale] = [0, 1];
    for (const layer of this.layers) {
      if (layer === 'upsample') scale *= 2;
      else if (layer !== 'relu') total += layer.macs(height * scale, width * scale);
    }
    return total;
  }
}
