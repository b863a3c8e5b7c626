import { ArgumentError, checkAlive, ShapeError } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { levelOfAlphaCumprod, type NoiseLevel } from './noise-level';
import {
  checkPredictionType,
  checkSameShape,
  type PredictionMap,
  type PredictionType,
  predictionMap,
} from './prediction';

/** Anything that knows abar_t for t = 0..T-1: a `NoiseSchedule` or a `Scheduler`. */
export type ForwardProcess = {
  readonly alphasCumprod: Float64Array;
  /** Where x_t stands at a timestep of the model; left out, where a DDPM's does, at whole timesteps. */
  readonly levelAt?: (t: number, operation?: string) => NoiseLevel;
};

// Training: every sample of a batch has its own t. Tensors are [N, ...] of any rank, t holds N timesteps, and a
// coefficient per sample is a tensor [N, 1, ...]. All are differentiable in their tensors.

/**
 * Draws from the forward process: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps; for a scheduler with another `levelAt`,
 * x_t = signal x_0 + noise eps.
 * @param x0 `[N, ...]`. Borrowed. @param noise eps, of its shape. Borrowed. @param t N timesteps in [0, T).
 * @returns x_t, of the same shape. Owned by the caller.
 * @throws {ShapeError} on shapes that disagree. @throws {ArgumentError} on timesteps out of range.
 */
export function addNoise<X extends Tensor>(process: ForwardProcess, x0: X, noise: X, t: readonly number[]): X {
  checkBatch('addNoise', 'x0', x0, 'noise', noise, t, process);
  return combine(
    x0,
    noise,
    t.map((step) => {
      const { signal, noise: deviation } = levelAt('addNoise', process, step);
      return { x: signal, output: deviation };
    }),
  );
}

/**
 * The velocity v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0, the target of `v_prediction`; the same at any level of noise,
 * whose signal and noise are scaled so that their squares add to 1.
 * @param x0 `[N, ...]`. Borrowed. @param noise eps, of its shape. Borrowed. @param t N timesteps in [0, T).
 * @returns v, of the same shape. Owned by the caller.
 * @throws {ShapeError} on shapes that disagree. @throws {ArgumentError} on timesteps out of range.
 */
export function velocity<X extends Tensor>(process: ForwardProcess, x0: X, noise: X, t: readonly number[]): X {
  checkBatch('velocity', 'x0', x0, 'noise', noise, t, process);
  return combine(
    x0,
    noise,
    t.map((step) => {
      const { signal, noise: deviation } = levelAt('velocity', process, step);
      const norm = Math.hypot(signal, deviation);
      return { x: -deviation / norm, output: signal / norm };
    }),
  );
}

/**
 * What a model of this prediction type is trained to give at x_t: eps, x_0, the velocity or the flow.
 * @param x0 `[N, ...]`. Borrowed. @param noise eps, of its shape. Borrowed. @param t N timesteps in [0, T).
 * @returns a new tensor of the same shape. Owned by the caller.
 * @throws {ShapeError} on shapes that disagree. @throws {ArgumentError} on timesteps out of range and unknown types.
 */
export function trainingTarget<X extends Tensor>(
  process: ForwardProcess,
  x0: X,
  noise: X,
  t: readonly number[],
  predictionType: PredictionType,
): X {
  if (predictionType === 'v_prediction') return velocity(process, x0, noise, t);
  checkPredictionType('trainingTarget', predictionType);
  checkBatch('trainingTarget', 'x0', x0, 'noise', noise, t, process);
  if (predictionType === 'flow_prediction') return tf.sub(noise, x0);
  return tf.clone(predictionType === 'sample' ? x0 : noise);
}

/**
 * The x_0 that a model's output stands for.
 * @param output `[N, ...]`. Borrowed. @param x x_t, of its shape. Borrowed. @param t N timesteps in [0, T).
 * @returns x_0, of the same shape. Owned by the caller.
 * @throws {ShapeError} on shapes that disagree. @throws {ArgumentError} on timesteps out of range, and where x_0 is not
 * determined (from `epsilon` at abar = 0).
 */
export function predictedSample<X extends Tensor>(
  process: ForwardProcess,
  output: X,
  x: X,
  t: readonly number[],
  predictionType: PredictionType,
): X {
  checkBatch('predictedSample', 'output', output, 'x', x, t, process);
  const maps = t.map((step) =>
    predictionMap('predictedSample', predictionType, 'sample', levelAt('predictedSample', process, step)),
  );
  return combine(x, output, maps);
}

/**
 * The noise eps that a model's output stands for.
 * @param output `[N, ...]`. Borrowed. @param x x_t, of its shape. Borrowed. @param t N timesteps in [0, T).
 * @returns eps, of the same shape. Owned by the caller.
 * @throws {ShapeError} on shapes that disagree. @throws {ArgumentError} on timesteps out of range.
 */
export function predictedNoise<X extends Tensor>(
  process: ForwardProcess,
  output: X,
  x: X,
  t: readonly number[],
  predictionType: PredictionType,
): X {
  checkBatch('predictedNoise', 'output', output, 'x', x, t, process);
  const maps = t.map((step) =>
    predictionMap('predictedNoise', predictionType, 'epsilon', levelAt('predictedNoise', process, step)),
  );
  return combine(x, output, maps);
}

/**
 * The ratio of signal to noise, abar_t / (1 - abar_t).
 * @param t in [0, T). @throws {ArgumentError} otherwise.
 */
export function snr(process: ForwardProcess, t: number): number {
  const { signal, noise } = levelAt('snr', process, t);
  return process.levelAt === undefined
    ? process.alphasCumprod[t] / (1 - process.alphasCumprod[t])
    : (signal / noise) ** 2;
}

/** map.x * x + map.output * output, a map per sample. @returns a new tensor. */
export function combine<X extends Tensor>(x: X, output: X, maps: readonly PredictionMap[]): X {
  return tf.tidy(() => {
    const shape = [maps.length, ...x.shape.slice(1).map(() => 1)];
    const perSample = (name: keyof PredictionMap) =>
      tf.tensor(
        maps.map((map) => map[name]),
        shape,
        'float32',
      );
    return tf.add(tf.mul(x, perSample('x')), tf.mul(output, perSample('output')));
  });
}

/** @throws as the functions above do. */
export function checkBatch(
  operation: string,
  name: string,
  tensor: Tensor,
  otherName: string,
  other: Tensor,
  t: readonly number[],
  process: ForwardProcess,
): void {
  checkAlive(operation, name, tensor);
  if (tensor.rank === 0) throw new ShapeError(operation, name, '[N, ...]', tensor.shape);
  checkSameShape(operation, otherName, other, tensor);
  if (t.length !== tensor.shape[0]) {
    throw new ArgumentError(operation, 't', `${tensor.shape[0]} timesteps, one per sample of ${name}`, t);
  }
  for (const step of t) levelAt(operation, process, step);
}

function levelAt(operation: string, process: ForwardProcess, t: number): NoiseLevel {
  if (process.levelAt !== undefined) return process.levelAt(t, operation);
  checkTimestep(operation, t, process);
  return levelOfAlphaCumprod(process.alphasCumprod[t]);
}

/** @throws {ArgumentError} unless t is a training step. */
export function checkTimestep(operation: string, t: number, { alphasCumprod }: ForwardProcess): void {
  if (!Number.isInteger(t) || t < 0 || t >= alphasCumprod.length) {
    throw new ArgumentError(operation, 't', `an integer in [0, ${alphasCumprod.length - 1}]`, t);
  }
}
