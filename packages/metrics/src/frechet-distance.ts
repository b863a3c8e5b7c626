import { ArgumentError } from '@sd/core';
import { checkDimension } from './feature-rows';
import type { FeatureStatistics } from './feature-statistics';
import { rowProducts } from './linear-algebra/row-products';
import { semidefiniteFactor } from './linear-algebra/semidefinite-factor';
import { singularValues } from './linear-algebra/singular-values';

/**
 * Frechet distance of the Gaussians of two feature sets (Heusel et al. 2017, FID): |mu_a - mu_b|^2 +
 * Tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2), the covariances unbiased, in float64.
 *
 * With S_a = A^T A and S_b = B^T B the trace of the root is the sum of the singular values of A B^T. No square root of a
 * matrix is taken, which scipy's sqrtm does unsymmetrically and, for covariances of fewer samples than dimensions, with
 * complex results; and no eigenvalue is rounded before its root is. Of 2048 features: see the README for seconds.
 *
 * @param a of at least two samples. Borrowed. @param b of the same dimension. Borrowed.
 * @returns the distance, >= 0. Like every FID it is biased by the number of samples: compare equal numbers only.
 * @throws {ArgumentError} on fewer samples, or other dimensions.
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  for (const [name, { count }] of Object.entries({ a, b })) {
    if (count < 2) throw new ArgumentError('frechetDistance', name, 'of at least 2 samples', count);
  }
  checkDimension('frechetDistance', 'b', b.dimension, a.dimension);
  const d = a.dimension;
  const [meanA, meanB] = [a.mean(), b.mean()];
  const meanTerm = meanA.reduce((sum, value, i) => sum + (value - meanB[i]!) ** 2, 0);
  const factorA = semidefiniteFactor(a.covariance(), d);
  const factorB = semidefiniteFactor(b.covariance(), d);
  const products = rowProducts(factorA.values, factorA.rank, factorB.values, factorB.rank, d);
  const traceOfRoot = singularValues(products, factorA.rank, factorB.rank).reduce((sum, value) => sum + value, 0);
  return Math.max(0, meanTerm + a.totalVariance() + b.totalVariance() - 2 * traceOfRoot);
}
