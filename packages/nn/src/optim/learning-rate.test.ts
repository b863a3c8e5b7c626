import { expect, test } from 'vitest';
import { constantRate, cosineDecay, linearDecay, withWarmup } from './learning-rate';

test('constantRate is the same everywhere', () => {
  expect([0, 1, 1e6].map(constantRate(3e-4))).toEqual([3e-4, 3e-4, 3e-4]);
});

test('linearDecay falls in a line to 0 and stays there', () => {
  const schedule = linearDecay(2, 10);
  expect([0, 5, 10, 11].map(schedule)).toEqual([2, 1, 0, 0]);
  expect(schedule(9)).toBeCloseTo(0.2, 12);
});

test('cosineDecay is half a cosine from the rate to 0 and stays there', () => {
  const schedule = cosineDecay(2, 12);
  expect(schedule(0)).toBe(2);
  expect(schedule(4)).toBeCloseTo(1.5, 12); // cos 60 degrees = 1/2
  expect(schedule(6)).toBeCloseTo(1, 12);
  expect(schedule(12)).toBe(0);
  expect(schedule(100)).toBe(0);
});

test('withWarmup raises a schedule linearly and then leaves it alone', () => {
  expect([0, 1, 3, 4, 5].map(withWarmup(constantRate(8), 4))).toEqual([2, 4, 8, 8, 8]);
  expect([0, 5, 10].map(withWarmup(linearDecay(1, 10), 1))).toEqual([1, 0.5, 0]);
  expect([0, 5, 10].map(withWarmup(linearDecay(1, 10), 0))).toEqual([1, 0.5, 0]);
  expect(withWarmup(linearDecay(1, 10), 4)(1)).toBeCloseTo(0.9 * 0.5, 12);
});

test('steps are positive integers', () => {
  expect(() => linearDecay(1, 0)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: linearDecay: steps must be an integer >= 1, got 0]`,
  );
  expect(() => cosineDecay(1, 2.5)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: cosineDecay: steps must be an integer >= 1, got 2.5]`,
  );
  expect(() => withWarmup(constantRate(1), -1)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: withWarmup: steps must be an integer >= 0, got -1]`,
  );
});
