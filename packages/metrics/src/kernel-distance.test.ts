import '@sd/testing';
import { foldIn, permutation, randomKey } from '@sd/core';
import { describe, expect, test } from 'vitest';
import { type FeatureRows, featureRows } from './feature-rows';
import { kernelDistance, kernelDistanceOfSubsets } from './kernel-distance';
import { goldenRows, goldenValues, randomRows, someRows } from './test-values';

test('is that of the reference, over several blocks of rows, and of numpy', () => {
  const [a, b] = [goldenRows('features_a', 'fid.safetensors'), goldenRows('features_b', 'fid.safetensors')];
  expect(kernelDistance(a, b)).toBeAllclose(goldenValues('kid', 'fid.safetensors'), 1e-9);
  const [x, y] = [goldenRows('frechet/full_a'), goldenRows('frechet/full_b')];
  expect(kernelDistance(x, y)).toBeAllclose(goldenValues('kernel/full'), 1e-10);
});

test('of two samples each is what the formula says', () => {
  const rows = (...values: number[]) => featureRows(Float64Array.from(values), 1);
  // k(1, 2) = 27, k(0, 3) = 1, cross: k(1, 0) = 1, k(1, 3) = 64, k(2, 0) = 1, k(2, 3) = 343
  expect(kernelDistance(rows(1, 2), rows(0, 3))).toBeCloseTo(27 + 1 - (2 * (1 + 64 + 1 + 343)) / 4, 12);
});

test('is symmetric, and unbiased: about zero, of either sign, for sets of one distribution', () => {
  const values = Array.from({ length: 40 }, (_, i) =>
    kernelDistance(randomRows(2 * i, 20, 3), randomRows(2 * i + 1, 25, 3)),
  );
  const mean = values.reduce((sum, value) => sum + value) / 40;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 40);
  expect(Math.abs(mean)).toBeLessThan((3 * deviation) / Math.sqrt(40));
  expect(Math.min(...values)).toBeLessThan(0);
  const [a, b] = [randomRows(1, 9, 4), randomRows(2, 14, 4, 2)];
  expect(kernelDistance(a, b)).toBeAllclose(kernelDistance(b, a), 1e-12);
});

describe('of subsets', () => {
  const [a, b] = [randomRows(3, 30, 4), randomRows(4, 40, 4, 1.5, 0.2)];
  const pick = (rows: FeatureRows, indices: Int32Array) =>
    featureRows(Float64Array.from([...indices].flatMap((i) => [...someRows(rows, i, 1).values])), rows.dimension);

  test('is the mean and deviation of the distances of the drawn subsets', () => {
    const key = randomKey(9);
    const distances = [0, 1, 2, 3].map((i) => {
      const [x, y] = [
        [a, 'a'],
        [b, 'b'],
      ].map(([rows, name]) => {
        const set = rows as FeatureRows;
        return pick(set, permutation(foldIn(foldIn(key, i), name as string), set.count).slice(0, 12));
      });
      return kernelDistance(x!, y!);
    });
    const mean = distances.reduce((sum, value) => sum + value) / 4;
    const variance = distances.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4;
    const found = kernelDistanceOfSubsets(a, b, { subsets: 4, size: 12, key });
    expect(found.mean).toBeAllclose(mean, 1e-12);
    expect(found.deviation).toBeAllclose(Math.sqrt(variance), 1e-12);
    expect(found.deviation).toBeGreaterThan(0);
  });

  test('depends on the key alone', () => {
    const options = { subsets: 3, size: 10 };
    const first = kernelDistanceOfSubsets(a, b, options);
    expect(kernelDistanceOfSubsets(a, b, { ...options, key: randomKey(0) })).toEqual(first);
    expect(kernelDistanceOfSubsets(a, b, { ...options, key: randomKey(1) })).not.toEqual(first);
  });

  test('as large as the sets is the distance itself, without deviation', () => {
    const same = someRows(b, 0, 30);
    const { mean, deviation } = kernelDistanceOfSubsets(a, same, { subsets: 3, size: 30 });
    expect(mean).toBeAllclose(kernelDistance(a, same), 1e-10);
    expect(deviation).toBeLessThan(1e-10);
  });
});

describe('errors', () => {
  const a = randomRows(5, 5, 3);
  const broken: FeatureRows = { count: 2, dimension: 3, values: Float64Array.of(1, 2, 3, 4, Number.NaN, 6) };

  test('of samples, dimension and values', () => {
    expect(() => kernelDistance(someRows(a, 0, 1), a)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernelDistance: a must be at least 2 samples, got 1]`,
    );
    expect(() => kernelDistance(a, randomRows(5, 5, 4))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernelDistance: dimension of b must be 3, got 4]`,
    );
    expect(() => kernelDistance(a, broken)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernelDistance: b[1, 1] must be finite, got NaN]`,
    );
  });

  test('of subsets', () => {
    expect(() => kernelDistanceOfSubsets(a, a)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernelDistanceOfSubsets: size must be at most 5, the samples of the smaller set, got 1000]`,
    );
    expect(() => kernelDistanceOfSubsets(a, a, { size: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernelDistanceOfSubsets: size must be an integer >= 2, got 1]`,
    );
    expect(() => kernelDistanceOfSubsets(a, a, { size: 3, subsets: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: kernelDistanceOfSubsets: subsets must be an integer >= 1, got 0]`,
    );
  });
});
