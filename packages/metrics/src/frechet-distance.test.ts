import '@sd/testing';
import { describe, expect, test } from 'vitest';
import { featureRows } from './feature-rows';
import { FeatureStatistics, featureStatistics } from './feature-statistics';
import { frechetDistance } from './frechet-distance';
import { goldenRows, goldenValues, randomRows, someRows } from './test-values';

const FID = 'fid.safetensors';
const statisticsOf = (name: string, file?: string) => featureStatistics(goldenRows(name, file));

test('is that of pytorch-fid, for full and for deficient covariances', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((set) => statisticsOf(`features_${set}`, FID));
  expect(frechetDistance(a!, b!)).toBeAllclose(goldenValues('fid', FID));
  expect(frechetDistance(c!, d!)).toBeAllclose(goldenValues('fid_cd', FID));
});

test('is that of scipy’s square root, in float64', () => {
  const distance = frechetDistance(statisticsOf('frechet/full_a'), statisticsOf('frechet/full_b'));
  expect(distance).toBeAllclose(goldenValues('frechet/full'), 1e-10);
});

test('of fewer samples than dimensions is that of the samples themselves, without a covariance', () => {
  const distance = frechetDistance(statisticsOf('frechet/deficient_a'), statisticsOf('frechet/deficient_b'));
  expect(distance).toBeAllclose(goldenValues('frechet/deficient'), 1e-7);
});

test('of diagonal covariances is the sum of (sigma - tau)^2 and of the squared difference of the means', () => {
  const signs = [1, 1, 1, -1, -1, 1, -1, -1]; // four samples, covariance diagonal
  const a = featureRows(
    Float64Array.from(signs, (sign, i) => sign * (i % 2 === 0 ? 2 : 5)),
    2,
  );
  const b = featureRows(
    Float64Array.from(signs, (sign, i) => sign * (i % 2 === 0 ? 3 : 1) + 7),
    2,
  );
  const distance = frechetDistance(featureStatistics(a), featureStatistics(b));
  expect(distance).toBeAllclose(2 * 49 + (4 / 3) * (1 + 16), 1e-12);
});

test('is zero for equal sets, symmetric, and follows a shift and a scale', () => {
  for (const [count, dimension] of [
    [200, 12],
    [8, 30],
  ] as const) {
    const rows = randomRows(1, count, dimension);
    const [a, b] = [featureStatistics(rows), featureStatistics(randomRows(2, count + 3, dimension, 1.2, 0.3))];
    const moved = (factor: number, shift: number) =>
      featureStatistics(
        featureRows(
          Float64Array.from(rows.values, (value) => factor * value + shift),
          dimension,
        ),
      );
    expect(frechetDistance(a, a)).toBeLessThan(1e-11 * a.totalVariance());
    expect(frechetDistance(a, b)).toBeAllclose(frechetDistance(b, a), 1e-7);
    expect(frechetDistance(a, moved(1, 2))).toBeAllclose(4 * dimension, 1e-10);
    const scaled = 4 * a.totalVariance() + 4 * a.mean().reduce((sum, value) => sum + value ** 2, 0);
    expect(frechetDistance(a, moved(3, 0))).toBeAllclose(scaled, 1e-9);
  }
});

test('of constant features is the distance of the means', () => {
  const constant = (value: number) => featureStatistics(featureRows(new Float64Array(6).fill(value), 3));
  expect(frechetDistance(constant(1), constant(3))).toBe(12);
});

describe('errors', () => {
  const a = featureStatistics(randomRows(3, 5, 3));

  test('of too few samples', () => {
    const one = new FeatureStatistics().add(someRows(randomRows(3, 5, 3), 0, 1));
    expect(() => frechetDistance(one, a)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frechetDistance: a must be of at least 2 samples, got 1]`,
    );
    expect(() => frechetDistance(a, new FeatureStatistics())).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frechetDistance: b must be of at least 2 samples, got 0]`,
    );
  });

  test('of the dimension', () => {
    expect(() => frechetDistance(a, featureStatistics(randomRows(3, 5, 4)))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frechetDistance: dimension of b must be 3, got 4]`,
    );
  });
});
