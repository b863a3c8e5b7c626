import { ArgumentError, checkAlive, checkRange, ShapeError } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { linearCombination } from './linear-combination';
import { levelOfAlphaCumprod, type NoiseLevel } from './noise-level';

/**
 * What a model predicts from x = a x_0 + s eps, with a and s the signal and noise of its `NoiseLevel`:
 * - `epsilon`: the noise eps
 * - `sample`: the clean image x_0
 * - `v_prediction`: the velocity v = (a eps - s x_0) / sqrt(a^2 + s^2) (Salimans and Ho 2022)
 * - `flow_prediction`: the direction from image to noise, eps - x_0 (flow matching)
 */
export type PredictionType = (typeof PREDICTION_TYPES)[number];

export const PREDICTION_TYPES = ['epsilon', 'v_prediction', 'sample', 'flow_prediction'] as const;

/** The linear map x, output -> x * x + output * output. */
export type PredictionMap = { readonly x: number; readonly output: number };

/**
 * The coefficients that turn one prediction into another, both linear in x and the model's output.
 * @throws {ArgumentError} where the quantity is not determined: from `epsilon` where x holds no signal, and from `sample`
 * where it holds no noise.
 */
export function predictionMap(
  operation: string,
  from: PredictionType,
  to: PredictionType,
  { signal: a, noise: s }: NoiseLevel,
): PredictionMap {
  checkPredictionType(operation, from);
  checkPredictionType(operation, to);
  if (from === to) return { x: 0, output: 1 };
  if (from === 'epsilon' && a === 0) {
    throw new ArgumentError(operation, 'predictionType', 'v_prediction or sample where alphaCumprod is 0', from);
  }
  if (from === 'sample' && s === 0) {
    throw new ArgumentError(operation, 'predictionType', 'epsilon or v_prediction where alphaCumprod is 1', from);
  }
  const r = Math.hypot(a, s);
  switch (`${from} -> ${to}` as const) {
    case 'epsilon -> sample':
      return { x: 1 / a, output: -s / a };
    case 'epsilon -> v_prediction':
      return { x: -s / (a * r), output: r / a };
    case 'epsilon -> flow_prediction':
      return { x: -1 / a, output: (a + s) / a };
    case 'sample -> epsilon':
      return { x: 1 / s, output: -a / s };
    case 'sample -> v_prediction':
      return { x: a / (s * r), output: -r / s };
    case 'sample -> flow_prediction':
      return { x: 1 / s, output: -(a + s) / s };
    case 'v_prediction -> epsilon':
      return { x: s / r ** 2, output: a / r };
    case 'v_prediction -> sample':
      return { x: a / r ** 2, output: -s / r };
    case 'v_prediction -> flow_prediction':
      return { x: (s - a) / r ** 2, output: (a + s) / r };
    case 'flow_prediction -> epsilon':
      return { x: 1 / (a + s), output: a / (a + s) };
    case 'flow_prediction -> sample':
      return { x: 1 / (a + s), output: -s / (a + s) };
    default:
      return { x: (a - s) / ((a + s) * r), output: r / (a + s) }; // flow_prediction -> v_prediction
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
 * Converts a prediction at x_t into another: noise, clean image, velocity or flow. `predictedSample`, `predictedNoise` and
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
  checkPredictionType('convertPrediction', from);
  checkPredictionType('convertPrediction', to);
  checkRange('convertPrediction', 'alphaCumprod', alphaCumprod, 0, 1);
  const map = predictionMap('convertPrediction', from, to, levelOfAlphaCumprod(alphaCumprod));
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
