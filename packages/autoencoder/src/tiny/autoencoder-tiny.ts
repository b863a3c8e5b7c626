import { checkAlive, checkShape } from '@sd/core';
import { Module, ownLayout, renamed, type StateDictLayout } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type AutoencoderTinyConfig, checkAutoencoderTinyConfig, tinyDownsampleFactor } from './config';
import { TinyDecoder } from './tiny-decoder';
import { checkTinyImage, TinyEncoder } from './tiny-encoder';

/**
 * TAESD and its kin (madebyollin/taesd): small networks distilled to share the latents of a large first stage, without
 * attention and, but for TAEF2, without normalization. diffusers' AutoencoderTiny. State: `encoder.layers`,
 * `decoder.layers`.
 */
export class AutoencoderTiny extends Module {
  readonly kind = 'tiny';
  readonly encoder: TinyEncoder;
  readonly decoder: TinyDecoder;

  /** @throws {ArgumentError} where the configuration contradicts itself. */
  constructor(readonly config: AutoencoderTinyConfig) {
    super();
    checkAutoencoderTinyConfig(config);
    this.encoder = this.child('encoder.layers', new TinyEncoder(config));
    this.decoder = this.child('decoder.layers', new TinyDecoder(config));
  }

  /** diffusers' names, and those of TAESD's own module, where the decoder's clamp has the place 0. */
  override stateDictLayouts(): StateDictLayout[] {
    const taesd = [...this.parameters()].map(([name, { torchShape }]) => {
      const own = name.replace('encoder.layers.', 'encoder.').replace(/^decoder\.layers\.(\d+)/, nextPlace);
      return [name, renamed(own, torchShape)] as const;
    });
    return [ownLayout('diffusers', this), { project: 'TAESD', tensors: new Map(taesd) }];
  }

  /**
   * @param x `[N, H, W, inChannels]`, H and W multiples of f = 2^(levels - 1), in the configuration's range. Borrowed.
   * @returns the latent `[N, H/f, W/f, latentChannels]`. Owned by the caller. @throws {ShapeError}
   */
  encode(x: Tensor4D): Tensor4D {
    checkAlive('AutoencoderTiny.encode', 'x', x);
    checkTinyImage('AutoencoderTiny.encode', x, this.config);
    if (this.config.range === 'unit') return this.encoder.forward(x);
    return tf.tidy(() => this.encoder.forward(tf.div(tf.add(x, 1), 2)));
  }

  /**
   * @param z `[N, h, w, latentChannels]`. Borrowed.
   * @returns `[N, f h, f w, outCh]` in the configuration's range, not clamped to it. Owned by the caller.
   * @throws {ShapeError}
   */
  decode(z: Tensor4D): Tensor4D {
    checkShape('AutoencoderTiny.decode', 'z', z, ['N', 'h', 'w', this.config.latentChannels]);
    if (this.config.range === 'unit') return this.decoder.forward(z);
    return tf.tidy(() => tf.sub(tf.mul(this.decoder.forward(z), 2), 1));
  }

  /** Latents to [0, 1], to be kept as an image: clamp(z / (2 magnitude) + shift). @param z any shape. Borrowed. */
  scaleLatents<T extends tf.Tensor>(z: T): T {
    const { latentMagnitude, latentShift } = this.config;
    checkAlive('AutoencoderTiny.scaleLatents', 'z', z);
    return tf.tidy(() => tf.clipByValue(tf.add(tf.div(z, 2 * latentMagnitude), latentShift), 0, 1) as T);
  }

  /** The inverse, within +- the magnitude. @param scaled any shape. Borrowed. @returns owned by the caller. */
  unscaleLatents<T extends tf.Tensor>(scaled: T): T {
    const { latentMagnitude, latentShift } = this.config;
    checkAlive('AutoencoderTiny.unscaleLatents', 'scaled', scaled);
    return tf.tidy(() => tf.mul(tf.sub(scaled, latentShift), 2 * latentMagnitude) as T);
  }

  /** Multiply-accumulates of the convolutions for one image of this size. */
  macs(height: number, width: number): { encode: number; decode: number } {
    const factor = tinyDownsampleFactor(this.config);
    return { encode: this.encoder.macs(height, width), decode: this.decoder.macs(height / factor, width / factor) };
  }
}

function nextPlace(_: string, place: string): string {
  return `decoder.${Number(place) + 1}`;
}
