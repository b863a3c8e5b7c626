import { checkAlive, checkInteger, ShapeError } from '@sd/core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { affine } from './affine';
import { type Initializer, torchDefaultInit } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';

export type LinearConfig = {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias?: boolean;
  /** Initial weight and bias; torch.nn.Linear's by default. */
  readonly init?: Initializer;
  /** `conv1d` keeps the weight as torch.nn.Conv1d of width 1 does, `[out, in, 1]` (LDM's qkv). */
  readonly weightShape?: 'linear' | 'conv1d';
};

/** torch.nn.Linear on the last axis. State: `weight` `[out, in]`, `bias` `[out]` unless switched off. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(readonly config: LinearConfig) {
    super();
    const { inFeatures, outFeatures, bias = true, weightShape = 'linear' } = config;
    checkInteger('Linear', 'inFeatures', inFeatures);
    checkInteger('Linear', 'outFeatures', outFeatures);
    const init = config.init ?? torchDefaultInit(inFeatures);
    this.weight =
      weightShape === 'conv1d'
        ? this.param('weight', [outFeatures, inFeatures, 1], init, 'oi1->io')
        : this.param('weight', [outFeatures, inFeatures], init, 'oi->io');
    this.bias = bias ? this.param('bias', [outFeatures], init) : undefined;
  }

  /**
   * @param x `[..., inFeatures]`. Borrowed. @returns `[..., outFeatures]`. Owned by the caller.
   * @throws {ShapeError}
   */
  forward<T extends Tensor>(x: T): T {
    const { inFeatures, outFeatures } = this.config;
    checkAlive('Linear', 'x', x);
    if (x.shape.at(-1) !== inFeatures) throw new ShapeError('Linear', 'x', `[..., ${inFeatures}]`, x.shape);
    const weight = this.weight.value as Tensor as Tensor2D;
    const bias = this.bias?.value as Tensor | undefined as Tensor1D | undefined;
    return tf.tidy(() => {
      const rows = tf.reshape(x, [-1, inFeatures]) as Tensor2D;
      return tf.reshape(affine(rows, weight, bias), [...x.shape.slice(0, -1), outFeatures]) as T;
    });
  }

  /** Multiply-accumulates for this many rows. */
  macs(rows = 1): number {
    return rows * this.weight.size;
  }
}
