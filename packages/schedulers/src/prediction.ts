import { ArgumentError, checkAlive, checkRange, ShapeError } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { linearCombination } from './linear-combination';

/**
 * What a model predicts from x_t = a x_0 + s eps, with a = sqrt(abar_t), s = sqrt(1 - abar_t):
 * - `epsilon`: the noise eps
 * - `sample`: the clean image x_0
 * - `v_prediction`: the velocity v = a eps - s x_0 (Salimans and Ho 2022)
 */
export type PredictionType = (typeof PREDICTION_TYPES)[number];

export const PREDICTION_TYPES = ['epsilon', 'v_prediction', 'sample'] as const;

/** The linear map x_t, output -> x * x_t + output * output. */
export type PredictionMap = { readonly x: number; readonly output: number };

/**
 * The coefficients that turn one prediction into another, both linear in x_t and the model's output.
 * @throws {ArgumentError} where the quantity is not determined: from `epsilon` at abar = 0, where x_t holds no signal,
 * and from `sample` at abar = 1, where it holds no noise.
 */
export function predictionMap(
  operation: string,
  from: PredictionType,
  to: PredictionType,
  alphaCumprod: number,
): PredictionMap {
  checkPredictionType(operation, from);
  checkPredictionType(operation, to);
  checkRange(operation, 'alphaCumprod', alphaCumprod, 0, 1);
  if (from === to) return { x: 0, output: 1 };
  if (from === 'epsilon' && alphaCumprod === 0) {
    throw new ArgumentError(operation, 'predictionType', 'v_prediction or sample where alphaCumprod is 0', from);
  }
  if (from === 'sample' && alphaCumprod === 1) {
    throw new ArgumentError(operation, 'predictionType', 'epsilon or v_prediction where alphaCumprod is 1', from);
  }
  const a = Math.sqrt(alphaCumprod);
  const s = Math.sqrt(1 - alphaCumprod);
  switch (`${from} -> ${to}` as const) {
    case 'epsilon -> sample':
      return { x: 1 / a, output: -s / a };
    case 'epsilon -> v_prediction':
      return { x: -s / a, output: 1 / a };
    case 'sample -> epsilon':
      return { x: 1 / s, output: -a / s };
    case 'sample -> v_prediction':
      return { x: a / s, output: -1 / s };
    case 'v_prediction -> epsilon':
      return { x: s, output: a };
    default:
      return { x: a, output: -s }; // v_prediction -> sample
  }
}

export type ConvertPredictionOptions = {
  /** x_t, of the output's shape. Borrowed. */
  readonly x: Tensor;
  /** abar_t, in [0, 1]. */
  readonly alphaCumprod: number;
  readonly from: PredictionType;
  readonly to: PredictionType;
};

/**
 * Converts a prediction at x_t into another: noise, clean image or velocity. `predictedSample`, `predictedNoise` and
 * `velocity` of a `Scheduler` do the same with a timestep for each sample.
 * @param output the model's output. Borrowed. @returns a tensor of its shape. Owned by the caller.
 * @throws {ShapeError} when x has another shape. @throws {ArgumentError} see `predictionMap`.
 */
export function convertPrediction<X extends Tensor>(
  output: X,
  { x, alphaCumprod, from, to }: ConvertPredictionOptions,
): X {
  checkAlive('convertPrediction', 'output', output);
  checkSameShape('convertPrediction', 'x', x, output);
  const map = predictionMap('convertPrediction', from, to, alphaCumprod);
  return tf.tidy(() => linearCombination([map.x, x], [map.output, output])) as X;
}

/** @throws {ShapeError} unless tensor has the shape of `like`. @throws {ArgumentError} when it has been disposed. */
export function checkSameShape(operation: string, argument: string, tensor: Tensor, like: Tensor): void {
  checkAlive(operation, argument, tensor);
  const same = tensor.shape.length === like.shape.length && tensor.shape.every((size, i) => size === like.shape[i]);
  if (!same) throw new ShapeError(operation, argument, `[${like.shape.join(', ')}]`, tensor.shape);
}

/** @throws {ArgumentError} unless it is one. */
export function checkPredictionType(operation: string, type: PredictionType): void {
  if (!PREDICTION_TYPES.includes(type)) {
    throw new ArgumentError(operation, 'predictionType', `one of ${PREDICTION_TYPES.join(', ')}`, type);
  }
}
