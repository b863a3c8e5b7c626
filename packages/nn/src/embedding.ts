import { ArgumentError, checkInteger } from '@sd/core';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { normalInit } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';

export type EmbeddingConfig = { readonly count: number; readonly features: number };

/** torch.nn.Embedding: a table of vectors. State: `weight` `[count, features]`. */
export class Embedding extends Module {
  readonly weight: Parameter;

  constructor(readonly config: EmbeddingConfig) {
    super();
    checkInteger('Embedding', 'count', config.count);
    checkInteger('Embedding', 'features', config.features);
    this.weight = this.param('weight', [config.count, config.features], normalInit(1));
  }

  /**
   * @param indices integers in [0, count). @returns `[indices, features]`. Owned by the caller.
   * @throws {ArgumentError} on an index out of range.
   */
  forward(indices: readonly number[]): Tensor2D {
    const { count } = this.config;
    for (const index of indices) {
      if (!Number.isInteger(index) || index < 0 || index >= count) {
        throw new ArgumentError('Embedding', 'index', `an integer in [0, ${count})`, index);
      }
    }
    const { value } = this.weight;
    return tf.tidy(() => tf.gather(value as tf.Tensor as Tensor2D, tf.tensor1d([...indices], 'int32')));
  }
}
