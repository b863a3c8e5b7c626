import { ArgumentError, checkInteger } from '@sd/core';
import { checkDimension, checkRows, type FeatureRows } from './feature-rows';

export type PrecisionRecallOptions = {
  /** k: a ball reaches to the k-th nearest neighbour. Default 3, as in the paper. */
  readonly neighbors?: number;
};

export type PrecisionRecall = {
  /** Share of the generated samples inside the manifold of the real ones: quality. */
  readonly precision: number;
  /** Share of the real samples inside the manifold of the generated ones: coverage. */
  readonly recall: number;
};

/**
 * Improved precision and recall (Kynkaanniemi et al. 2019). The manifold of a set is the union of balls around its
 * samples, each of which reaches to the k-th nearest other sample of the set, its surface included. Euclidean distances
 * in float64, without the difference of squares that would cancel between near samples.
 *
 * @param generated `[M, D]`, M > k. Borrowed. @param real `[N, D]`, N > k. Borrowed. O((M + N)^2 D); memory O(M + N).
 * @throws {ArgumentError} on fewer samples, other dimensions, or features that are not finite.
 */
export function precisionRecall(
  generated: FeatureRows,
  real: FeatureRows,
  { neighbors = 3 }: PrecisionRecallOptions = {},
): PrecisionRecall {
  const op = 'precisionRecall';
  checkInteger(op, 'neighbors', neighbors);
  for (const [name, rows] of Object.entries({ generated, real })) {
    checkRows(op, name, rows, 2);
    if (rows.count <= neighbors) {
      throw new ArgumentError(op, name, `more than ${neighbors} samples, the neighbors`, rows.count);
    }
  }
  checkDimension(op, 'real', real.dimension, generated.dimension);
  return {
    precision: shareInside(generated, real, squaredRadii(real, neighbors)),
    recall: shareInside(real, generated, squaredRadii(generated, neighbors)),
  };
}

function squaredRadii(rows: FeatureRows, neighbors: number): Float64Array {
  const distances = new Float64Array(rows.count - 1);
  return Float64Array.from({ length: rows.count }, (_, i) => {
    for (let j = 0; j < rows.count; j++) if (j !== i) distances[j < i ? j : j - 1] = squaredDistance(rows, i, rows, j);
    return distances.sort()[neighbors - 1]!;
  });
}

function shareInside(samples: FeatureRows, manifold: FeatureRows, squaredRadius: Float64Array): number {
  let inside = 0;
  for (let i = 0; i < samples.count; i++) {
    for (let j = 0; j < manifold.count; j++) {
      if (squaredDistance(samples, i, manifold, j) <= squaredRadius[j]!) {
        inside++;
        break;
      }
    }
  }
  return inside / samples.count;
}

function squaredDistance(a: FeatureRows, i: number, b: FeatureRows, j: number): number {
  const [x, y, d] = [a.values, b.values, a.dimension];
  let [xAt, yAt] = [i * d, j * d];
  let even = 0;
  let odd = 0;
  const end = xAt + d - (d % 2);
  while (xAt < end) {
    const first = x[xAt++]! - y[yAt++]!;
    const second = x[xAt++]! - y[yAt++]!;
    even += first * first;
    odd += second * second;
  }
  if (d % 2 === 1) even += (x[xAt]! - y[yAt]!) ** 2;
  return even + odd;
}
