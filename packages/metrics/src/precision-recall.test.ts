import '@sd/testing';
import { describe, expect, test } from 'vitest';
import { featureRows } from './feature-rows';
import { precisionRecall } from './precision-recall';
import { goldenRows, goldenValues, randomRows, someRows } from './test-values';

test.each([1, 3, 5])('with %i neighbors is that of numpy', (neighbors) => {
  const [generated, real] = [goldenRows('manifold/generated'), goldenRows('manifold/real')];
  const { precision, recall } = precisionRecall(generated, real, { neighbors });
  expect([precision, recall]).toEqual([...goldenValues(`manifold/k${neighbors}`)]);
  if (neighbors === 3) expect(precisionRecall(generated, real)).toEqual({ precision, recall });
});

test('of sets on a line is what one counts by hand', () => {
  const rows = (...values: number[]) => featureRows(Float64Array.from(values), 1);
  const real = rows(0, 1, 3, 10); // radii to the first neighbour 1, 1, 2, 7
  const generated = rows(2, 3.5, 17, 17.5); // radii 1.5, 1.5, 0.5, 0.5
  // Inside: 2 (of 1, on the edge), 3.5 (of 3), 17 (of 10, on the edge). Covered: 1 and 3.
  expect(precisionRecall(generated, real, { neighbors: 1 })).toEqual({ precision: 0.75, recall: 0.5 });
});

test('is 1 and 1 for equal sets, 0 and 0 for distant ones, and one-sided for a part', () => {
  const real = randomRows(1, 60, 4);
  expect(precisionRecall(real, real)).toEqual({ precision: 1, recall: 1 });
  expect(precisionRecall(randomRows(2, 20, 4, 1, 100), real)).toEqual({ precision: 0, recall: 0 });
  const part = precisionRecall(someRows(real, 0, 10), real);
  expect(part.precision).toBe(1);
  expect(part.recall).toBeLessThan(1);
});

test('samples that occur twice have a ball of radius zero, which holds them', () => {
  const twice = featureRows(Float64Array.of(1, 2, 1, 2), 2);
  expect(precisionRecall(twice, twice, { neighbors: 1 })).toEqual({ precision: 1, recall: 1 });
});

describe('errors', () => {
  const a = randomRows(3, 5, 3);
  test('of samples, dimension, neighbors and values', () => {
    expect(() => precisionRecall(someRows(a, 0, 3), a)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: precisionRecall: generated must be more than 3 samples, the neighbors, got 3]`,
    );
    expect(() => precisionRecall(a, someRows(a, 0, 1), { neighbors: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: precisionRecall: real must be at least 2 samples, got 1]`,
    );
    expect(() => precisionRecall(a, randomRows(3, 5, 2))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: precisionRecall: dimension of real must be 3, got 2]`,
    );
    expect(() => precisionRecall(a, a, { neighbors: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: precisionRecall: neighbors must be an integer >= 1, got 0]`,
    );
    const broken = { count: 5, dimension: 1, values: Float64Array.of(1, 2, Number.NaN, 3, 4) };
    expect(() => precisionRecall(broken, broken)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: precisionRecall: generated[2, 0] must be finite, got NaN]`,
    );
  });
});
