import { ArgumentError, checkInteger, foldIn, permutation, type RandomKey, randomKey } from '@sd/core';
import { checkDimension, checkRows, type FeatureRows } from './feature-rows';
import { rowProducts } from './linear-algebra/row-products';

/** Rows whose products are in memory at once. */
const BLOCK = 128;

/**
 * Kernel distance of two feature sets (Binkowski et al. 2018, KID): the unbiased estimate of the squared maximum mean
 * discrepancy with the cubic polynomial kernel k(x, y) = (x . y / D + 1)^3, in float64. Being unbiased it may be negative.
 *
 * @param a `[M, D]`, M >= 2. Borrowed. @param b `[N, D]`, N >= 2. Borrowed. O((M + N)^2 D).
 * @throws {ArgumentError} on fewer samples, other dimensions, or features that are not finite.
 */
export function kernelDistance(a: FeatureRows, b: FeatureRows): number {
  checkSets('kernelDistance', a, b);
  return discrepancy(Float64Array.from(a.values), Float64Array.from(b.values), a.dimension);
}

export type KernelDistanceOptions = {
  /** Number of subsets. Default 100. */
  readonly subsets?: number;
  /** Samples of each set in a subset. Default 1000, which is also the least number of samples then. */
  readonly size?: number;
  /** Draws the subsets. Default `randomKey(0)`. */
  readonly key?: RandomKey;
};

export type KernelDistanceEstimate = {
  /** Mean of the subsets' distances: the KID. */
  readonly mean: number;
  /** Their standard deviation (of the population: divided by the number of subsets). */
  readonly deviation: number;
};

/**
 * KID as it is usually reported: mean and deviation of `kernelDistance` over random subsets, drawn without replacement
 * within a subset.
 * @param a `[M, D]`. Borrowed. @param b `[N, D]`. Borrowed.
 * @throws {ArgumentError} on fewer samples than `size`, other dimensions, or features that are not finite.
 */
export function kernelDistanceOfSubsets(
  a: FeatureRows,
  b: FeatureRows,
  { subsets = 100, size = 1000, key = randomKey(0) }: KernelDistanceOptions = {},
): KernelDistanceEstimate {
  const op = 'kernelDistanceOfSubsets';
  checkSets(op, a, b);
  checkInteger(op, 'subsets', subsets);
  checkInteger(op, 'size', size, 2);
  const least = Math.min(a.count, b.count);
  if (size > least) throw new ArgumentError(op, 'size', `at most ${least}, the samples of the smaller set`, size);
  const distances = Array.from({ length: subsets }, (_, i) => {
    const draw = (rows: FeatureRows, name: string) =>
      selected(rows, permutation(foldIn(foldIn(key, i), name), rows.count).subarray(0, size));
    return discrepancy(draw(a, 'a'), draw(b, 'b'), a.dimension);
  });
  const mean = distances.reduce((sum, value) => sum + value, 0) / subsets;
  const variance = distances.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets;
  return { mean, deviation: Math.sqrt(variance) };
}

function checkSets(op: string, a: FeatureRows, b: FeatureRows): void {
  checkRows(op, 'a', a, 2);
  checkRows(op, 'b', b, 2);
  checkDimension(op, 'b', b.dimension, a.dimension);
}

function selected({ values, dimension }: FeatureRows, indices: Int32Array): Float64Array {
  const result = new Float64Array(indices.length * dimension);
  for (const [row, index] of indices.entries()) {
    result.set(values.subarray(index * dimension, (index + 1) * dimension), row * dimension);
  }
  return result;
}

function discrepancy(a: Float64Array, b: Float64Array, dimension: number): number {
  const [m, n] = [a.length / dimension, b.length / dimension];
  const within = (rows: Float64Array, count: number) => kernelSum(rows, rows, dimension, true) / (count * (count - 1));
  return within(a, m) + within(b, n) - (2 * kernelSum(a, b, dimension, false)) / (m * n);
}

/** Sum of k over all pairs, or where both are the same set over the pairs of different samples. */
function kernelSum(a: Float64Array, b: Float64Array, dimension: number, same: boolean): number {
  let total = 0;
  const part = (rows: Float64Array, start: number) => rows.subarray(start * dimension, (start + BLOCK) * dimension);
  const [m, n] = [a.length / dimension, b.length / dimension];
  for (let i = 0; i < m; i += BLOCK) {
    for (let j = same ? i : 0; j < n; j += BLOCK) {
      const [rows, columns] = [part(a, i), part(b, j)];
      const [height, width] = [rows.length / dimension, columns.length / dimension];
      const products = rowProducts(rows, height, columns, width, dimension);
      let sum = 0;
      for (let r = 0; r < height; r++) {
        for (let c = 0; c < width; c++) {
          if (!(same && i + r === j + c)) sum += (products[r * width + c]! / dimension + 1) ** 3;
        }
      }
      total += same && j > i ? 2 * sum : sum; // the kernel is symmetric
    }
  }
  return total;
}
