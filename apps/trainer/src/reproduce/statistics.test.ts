import { expect, test } from 'vitest';
import { confidenceInterval, formatInterval } from './statistics';

test('the interval of 1, 2, 3 is 2 ± t s / sqrt(n)', () => {
  // scipy.stats.t.interval(0.95, 2, 2, 1 / sqrt(3)) = -0.48414, 4.48414
  const { mean, low, high, count } = confidenceInterval([1, 2, 3]);
  expect([mean, count]).toEqual([2, 3]);
  expect(low).toBeCloseTo(-0.48414, 3);
  expect(high).toBeCloseTo(4.48414, 3);
});

test('of many values it is the normal’s', () => {
  const values = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 1 : -1));
  expect(confidenceInterval(values).high).toBeCloseTo((1.96 * Math.sqrt(100 / 99)) / 10, 10);
});

test('a single value has no interval, and is written alone', () => {
  expect(confidenceInterval([4])).toEqual({ mean: 4, low: Number.NaN, high: Number.NaN, count: 1 });
  expect([confidenceInterval([4]), confidenceInterval([1, 1])].map((one) => formatInterval(one, 2))).toEqual([
    '4.00',
    '1.00 ± 0.00',
  ]);
});

test('no values are refused', () => {
  expect(() => confidenceInterval([])).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: confidenceInterval: values must be at least one number, got []]`,
  );
});
