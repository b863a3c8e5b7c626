import { checkAlive, checkInteger, ShapeError } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { ones, zeros } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';

export type LayerNormConfig = { readonly features: number; readonly eps?: number };

/** torch.nn.LayerNorm over the last axis. State: `weight`, `bias`, both `[features]`. */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(readonly config: LayerNormConfig) {
    super();
    checkInteger('LayerNorm', 'features', config.features);
    this.weight = this.param('weight', [config.features], ones);
    this.bias = this.param('bias', [config.features], zeros);
  }

  /**
   * y = (x - mean) / sqrt(var + eps) weight + bias, mean and biased variance over the last axis.
   * @param x `[..., features]`. Borrowed. @returns the same shape. Owned by the caller. @throws {ShapeError}
   */
  forward<T extends Tensor>(x: T): T {
    const { features, eps = 1e-5 } = this.config;
    checkAlive('LayerNorm', 'x', x);
    if (x.shape.at(-1) !== features) throw new ShapeError('LayerNorm', 'x', `[..., ${features}]`, x.shape);
    const { value: weight } = this.weight;
    const { value: bias } = this.bias;
    return tf.tidy(() => {
      const centered = tf.sub(x, tf.mean(x, -1, true));
      const variance = tf.mean(tf.square(centered), -1, true);
      return tf.add(tf.mul(tf.mul(centered, tf.rsqrt(tf.add(variance, eps))), weight), bias) as T;
    });
  }
}
