import { checkInteger, checkRange, checkShape, ShapeError } from '@sd/core';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Initializer, ones, zeros } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';
import type { CountBuffer, TensorBuffer } from './state-buffer';

export type BatchNorm2dConfig = {
  readonly channels: number;
  readonly eps?: number;
  /** Share of the newest batch in the running statistics. */
  readonly momentum?: number;
  /** Initial weight; ones by default. */
  readonly init?: Initializer;
};

export type BatchNorm2dOptions = {
  /**
   * By what the batch is normalized. `running`: by the running statistics, as in torch's eval mode. `batch`: by its own.
   * `update`: by its own, which also move the running ones, as in torch's train mode.
   */
  readonly statistics?: 'running' | 'batch' | 'update';
};

/**
 * torch.nn.BatchNorm2d on NHWC tensors. State: `weight` and `bias` `[C]`, and the buffers `running_mean` and
 * `running_var` `[C]` and `num_batches_tracked` `[]` (int64), which a load must bring too.
 */
export class BatchNorm2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly runningMean: TensorBuffer;
  readonly runningVar: TensorBuffer;
  readonly numBatchesTracked: CountBuffer;

  /** @throws {ArgumentError} */
  constructor(readonly config: BatchNorm2dConfig) {
    super();
    const { channels, momentum = 0.1 } = config;
    checkInteger('BatchNorm2d', 'channels', channels);
    checkRange('BatchNorm2d', 'momentum', momentum, 0, 1);
    this.weight = this.param('weight', [channels], config.init ?? ones);
    this.bias = this.param('bias', [channels], zeros);
    this.runningMean = this.buffer('running_mean', [channels], 0);
    this.runningVar = this.buffer('running_var', [channels], 1);
    this.numBatchesTracked = this.countBuffer('num_batches_tracked');
  }

  /**
   * y = (x - mean) / sqrt(var + eps) weight + bias, per channel. A batch's own variance is the biased one; what moves the
   * running variance is the unbiased one: running <- (1 - momentum) running + momentum batch.
   *
   * @param x `[N, H, W, channels]`, of more than one pixel unless the statistics are the running ones. Borrowed.
   * @returns the same shape. Owned by the caller. @throws {ShapeError}
   */
  forward(x: Tensor4D, { statistics = 'running' }: BatchNorm2dOptions = {}): Tensor4D {
    const { channels, eps = 1e-5 } = this.config;
    checkShape('BatchNorm2d', 'x', x, ['N', 'H', 'W', channels]);
    const scale = this.weight.value as Tensor as Tensor1D;
    const shift = this.bias.value as Tensor as Tensor1D;
    if (statistics === 'running') {
      const [mean, variance] = [this.runningMean.value, this.runningVar.value];
      return tf.tidy(() => {
        const factor = tf.mul(scale, tf.rsqrt(tf.add(variance, eps))); // [C]
        return tf.add(tf.mul(tf.sub(x, mean), factor), shift) as Tensor4D;
      });
    }
    if (x.size <= channels) {
      throw new ShapeError('BatchNorm2d', 'x', `[N, H, W, ${channels}] of more than one pixel`, x.shape);
    }
    if (statistics === 'update') this.#follow(x);
    return normalizeByBatch(x, scale, shift, eps);
  }

  /** Moves the running statistics towards those of x. Nothing of it is recorded for differentiation. */
  #follow(x: Tensor4D): void {
    const { channels, momentum = 0.1 } = this.config;
    const follow = (running: TensorBuffer, value: Tensor) =>
      running.assign(tf.add(tf.mul(running.value, 1 - momentum), tf.mul(value, momentum)));
    const unrecorded = tf.customGrad(() => {
      const { mean, variance } = batchStatistics(x);
      const pixels = x.size / channels;
      follow(this.runningMean, mean);
      follow(this.runningVar, tf.mul(variance, pixels / (pixels - 1)));
      return { value: tf.scalar(0), gradFunc: () => [] };
    });
    tf.tidy(() => void unrecorded());
    this.numBatchesTracked.value++;
  }
}

type BatchStatistics = { readonly centered: Tensor2D; readonly mean: Tensor1D; readonly variance: Tensor1D };

function batchStatistics(x: Tensor4D): BatchStatistics {
  const rows = tf.reshape(x, [-1, x.shape[3]]) as Tensor2D; // [P, C], P = N H W
  const mean = tf.mean<Tensor1D>(rows, 0); // [C]
  const centered = tf.sub(rows, mean) as Tensor2D; // [P, C]
  return { centered, mean, variance: tf.mean<Tensor1D>(tf.square(centered), 0) };
}

/**
 * The batch's own statistics, which the gradient passes through: with xHat = (x - mean) r, r = 1 / sqrt(var + eps),
 * dx = r scale (dy - mean(dy) - xHat mean(dy xHat)); dscale = sum(dy xHat), dshift = sum(dy), over N, H and W.
 */
function normalizeByBatch(x: Tensor4D, scale: Tensor1D, shift: Tensor1D, eps: number): Tensor4D {
  const normalized = (input: Tensor4D) => {
    const { centered, variance } = batchStatistics(input);
    const inverseDeviation = tf.rsqrt(tf.add(variance, eps)); // [C]
    return { xHat: tf.mul(centered, inverseDeviation), inverseDeviation }; // [P, C]
  };
  const op = tf.customGrad((...args) => {
    const [xIn, scaleIn, shiftIn] = args as unknown as [Tensor4D, Tensor1D, Tensor1D];
    const save = args[3] as unknown as tf.GradSaveFunc;
    save([xIn, scaleIn]);
    const value = tf.reshape(tf.add(tf.mul(normalized(xIn).xHat, scaleIn), shiftIn), xIn.shape); // [N, H, W, C]
    const gradFunc = (dy: Tensor, [xSaved, scaleSaved]: Tensor[]) => {
      const { xHat, inverseDeviation } = normalized(xSaved as Tensor4D);
      const g = tf.reshape(dy, xHat.shape); // [P, C]
      const [dshift, dscale] = [tf.sum(g, 0), tf.sum(tf.mul(g, xHat), 0)]; // [C] each
      const pixels = xHat.shape[0];
      const projected = tf.sub(tf.sub(g, tf.div(dshift, pixels)), tf.mul(xHat, tf.div(dscale, pixels)));
      const dx = tf.mul(projected, tf.mul(scaleSaved, inverseDeviation)); // [P, C]
      return [tf.reshape(dx, xSaved.shape), dscale, dshift];
    };
    return { value, gradFunc };
  });
  return tf.tidy(() => op(x, scale, shift) as Tensor4D);
}
