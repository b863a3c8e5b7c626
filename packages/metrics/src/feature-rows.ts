import { ArgumentError, checkAlive, checkInteger, checkShape } from '@sd/core';
import type { Tensor2D } from '@tensorflow/tfjs-core';

/** Features of a set of samples, one sample a row, outside of tfjs: the distances are computed in float64. */
export type FeatureRows = {
  /** Number of samples, N. */
  readonly count: number;
  /** Features of one sample, D. */
  readonly dimension: number;
  /** `[N, D]`, row-major. */
  readonly values: Float32Array | Float64Array;
};

/**
 * Features from numbers.
 * @param values `[N, D]`, row-major; shared, not copied. @param dimension D.
 * @throws {ArgumentError} where the values are no whole number of rows, or not finite.
 */
export function featureRows(values: Float32Array | Float64Array, dimension: number): FeatureRows {
  checkInteger('featureRows', 'dimension', dimension);
  if (values.length % dimension !== 0) {
    throw new ArgumentError('featureRows', 'number of values', `a multiple of dimension ${dimension}`, values.length);
  }
  const rows = { count: values.length / dimension, dimension, values };
  checkRows('featureRows', 'values', rows);
  return rows;
}

/**
 * Features from a tensor.
 * @param features `[N, D]`. Borrowed; it may be disposed as soon as this returns its promise.
 * @throws {ShapeError} on another rank. @throws {ArgumentError} on values that are not finite, or a disposed tensor.
 */
export async function readFeatures(features: Tensor2D): Promise<FeatureRows> {
  checkAlive('readFeatures', 'features', features);
  checkShape('readFeatures', 'features', features, ['N', 'D']);
  const [count, dimension] = features.shape;
  const rows = { count, dimension, values: await features.data<'float32'>() };
  checkRows('readFeatures', 'features', rows);
  return rows;
}

/** @throws {ArgumentError} unless there are `minimum` rows of the right length, all finite. */
export function checkRows(operation: string, argument: string, rows: FeatureRows, minimum = 0): void {
  const { count, dimension, values } = rows;
  checkInteger(operation, `${argument} dimension`, dimension);
  if (!Number.isSafeInteger(count) || count < minimum) {
    throw new ArgumentError(operation, argument, `at least ${minimum} samples`, count);
  }
  if (values.length !== count * dimension) {
    throw new ArgumentError(operation, `number of values of ${argument}`, `${count} x ${dimension}`, values.length);
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      const place = `${argument}[${Math.floor(i / dimension)}, ${i % dimension}]`;
      throw new ArgumentError(operation, place, 'finite', values[i]);
    }
  }
}

/** @throws {ArgumentError} unless a set has as many features as the one before it. */
export function checkDimension(operation: string, argument: string, dimension: number, expected: number): void {
  if (dimension !== expected) throw new ArgumentError(operation, `dimension of ${argument}`, `${expected}`, dimension);
}
