import { expectTensors } from '@sd/testing';
import type { Tensor } from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  foldIn,
  integerArray,
  normal,
  normalArray,
  permutation,
  type RandomKey,
  randomKey,
  uniform,
  uniformArray,
} from './random';
import { threefry2x32 } from './threefry';

const count = 200_000;

/** Mean of x^k. Its standard error, for n independent values, is sqrt(Var(x^k) / n). */
const moment = (values: ArrayLike<number>, k: number) =>
  Array.from(values).reduce((sum, value) => sum + value ** k, 0) / values.length;

/** Kolmogorov-Smirnov: the largest distance between the empirical distribution and a cumulative one, times sqrt(n). */
function kolmogorovSmirnov(values: Float64Array, cumulative: (x: number) => number): number {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  let distance = 0;
  for (let i = 0; i < n; i++) {
    const p = cumulative(sorted[i]);
    distance = Math.max(distance, p - i / n, (i + 1) / n - p);
  }
  return distance * Math.sqrt(n);
}

// 1.95 is passed by chance by one sample in a thousand; the keys are fixed, so that the outcome is too.
const KS_LIMIT = 1.95;

/** Standard normal cumulative distribution: by Simpson's rule on [0, |x|], to 1e-9 for |x| < 7. */
function normalCumulative(x: number): number {
  const steps = 200;
  const h = Math.abs(x) / steps;
  const density = (z: number) => Math.exp(-z * z * 0.5) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(Math.abs(x));
  for (let i = 1; i < steps; i++) sum += density(i * h) * (i % 2 === 1 ? 4 : 2);
  return 0.5 + (Math.sign(x) * sum * h) / 3;
}

/** Correlation of two samples of standard deviation `deviation` about `mean`, in units of its standard error. */
function correlationScore(a: Float64Array, b: Float64Array, mean = 0, deviation = 1): number {
  const sum = a.reduce((total, value, i) => total + (value - mean) * (b[i] - mean), 0);
  return sum / deviation ** 2 / Math.sqrt(a.length);
}

test('uniformArray has the moments and the distribution of a uniform variable', () => {
  const values = uniformArray(randomKey(1), count);
  for (const k of [1, 2, 3, 4]) {
    const standardError = Math.sqrt((1 / (2 * k + 1) - 1 / (k + 1) ** 2) / count);
    expect(Math.abs(moment(values, k) - 1 / (k + 1))).toBeLessThan(3.5 * standardError);
  }
  expect(kolmogorovSmirnov(values, (x) => x)).toBeLessThan(KS_LIMIT);
});

test('uniformArray fills [low, high)', () => {
  const values = uniformArray(randomKey(2), count, -3, 5);
  expect(values.every((value) => value >= -3 && value < 5)).toBe(true);
  expect(kolmogorovSmirnov(values, (x) => (x + 3) / 8)).toBeLessThan(KS_LIMIT);
});

test('normalArray has the moments and the distribution of a standard normal variable', () => {
  const values = normalArray(randomKey(3), count);
  const standardErrors = [1, 2, 15, 96].map((variance) => Math.sqrt(variance / count)); // of x, x^2, x^3, x^4
  [0, 1, 0, 3].forEach((expected, i) => {
    expect(Math.abs(moment(values, i + 1) - expected)).toBeLessThan(3.5 * standardErrors[i]);
  });
  expect(kolmogorovSmirnov(values.subarray(0, 20_000), normalCumulative)).toBeLessThan(KS_LIMIT);
});

test('neighbouring values of a stream are uncorrelated', () => {
  const values = normalArray(randomKey(4), count + 3);
  for (const lag of [1, 2, 3]) {
    expect(Math.abs(correlationScore(values.slice(0, count), values.slice(lag, count + lag)))).toBeLessThan(3.5);
  }
});

test('a stream does not depend on how much of it is drawn', () => {
  for (const draw of [uniformArray, normalArray]) {
    expect(draw(randomKey(5), 7)).toEqual(draw(randomKey(5), 100).slice(0, 7));
    expect(draw(randomKey(5), 0)).toHaveLength(0);
  }
});

test('streams of neighbouring seeds and of folded keys are uncorrelated, and not shifted copies', () => {
  const parent = randomKey(6);
  const keys: RandomKey[] = [parent, randomKey(7), randomKey(6 + 2 ** 32)];
  for (const data of [0, 1, 2, 2 ** 32, 2 ** 53 - 1, '', 'a', 'b', 'ab', 'noise']) keys.push(foldIn(parent, data));
  const streams = keys.map((key) => normalArray(key, 20_000));
  for (const [i, a] of streams.entries()) {
    for (const b of streams.slice(i + 1)) {
      for (const lag of [0, 1, 2]) {
        expect(Math.abs(correlationScore(a.slice(lag), b.slice(0, b.length - lag)))).toBeLessThan(4.5);
      }
    }
  }
});

test('the first values of many folded streams are themselves a uniform sample', () => {
  const key = randomKey(8);
  const byNumber = Float64Array.from({ length: 20_000 }, (_, i) => uniformArray(foldIn(key, i), 1)[0]);
  const byName = Float64Array.from({ length: 20_000 }, (_, i) => uniformArray(foldIn(key, `layer.${i}`), 1)[0]);
  expect(kolmogorovSmirnov(byNumber, (x) => x)).toBeLessThan(KS_LIMIT);
  expect(kolmogorovSmirnov(byName, (x) => x)).toBeLessThan(KS_LIMIT);
  expect(Math.abs(correlationScore(byNumber, byName, 0.5, Math.sqrt(1 / 12)))).toBeLessThan(3.5);
});

test('foldIn gives distinct keys for distinct data, for numbers and names alike', () => {
  const key = randomKey(9);
  const keys = [
    key,
    ...[0, 1, 97, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map((data) => foldIn(key, data)),
    ...['', '0', 'a', 'aa', 'b', 'ab', 'ba', '\u0000', '\u{1f600}', '\ud83d', 'noise'].map((data) => foldIn(key, data)),
    foldIn(foldIn(key, 1), 97), // 'a' has one character, of code 97
    foldIn(foldIn(key, 'a'), 'b'),
    foldIn(foldIn(key, 'b'), 'a'),
    ...[0, 1, 97].map((i) => ({ words: threefry2x32(key.words, [0, i]) })), // the numbers that the key itself draws
  ];
  expect(new Set(keys.map(({ words }) => words.join())).size).toBe(keys.length);
  expect(foldIn(key, 'noise')).toEqual(foldIn(randomKey(9), 'noise'));
});

test('keys and streams are pinned: a change here changes every seeded result', () => {
  expect(randomKey(2 ** 32 * 3 + 5)).toEqual({ words: [3, 5] });
  expect(foldIn(randomKey(0), 1).words).toMatchInlineSnapshot(`
    [
      2494418683,
      513002203,
    ]
  `);
  expect(foldIn(randomKey(0), 'noise').words).toMatchInlineSnapshot(`
    [
      1034746984,
      4120545188,
    ]
  `);
  expect(Array.from(uniformArray(randomKey(0), 3))).toMatchInlineSnapshot(`
    [
      0.41845711157657206,
      0.600499093066901,
      0.21629545441828668,
    ]
  `);
  expect(Array.from(normalArray(randomKey(0), 3), (value) => value.toFixed(12))).toMatchInlineSnapshot(`
    [
      "-1.065452424386",
      "-0.779212988867",
      "0.583694954704",
    ]
  `);
  expect(Array.from(integerArray(randomKey(0), 5, 10))).toMatchInlineSnapshot(`
    [
      4,
      6,
      2,
      8,
      9,
    ]
  `);
  expect(Array.from(permutation(randomKey(0), 8))).toMatchInlineSnapshot(`
    [
      2,
      1,
      0,
      5,
      6,
      3,
      4,
      7,
    ]
  `);
});

test('uniformArray and normalArray are formulas of the words of Threefry', () => {
  const [a, b] = threefry2x32([0, 11], [0, 0]);
  expect(Array.from(uniformArray(randomKey(11), 2))).toEqual([a / 2 ** 32, b / 2 ** 32]);
  const [x, y] = normalArray(randomKey(11), 2);
  expect((x * x + y * y) / -2).toBeCloseTo(Math.log((a + 0.5) / 2 ** 32), 12);
  expect((Math.atan2(y, x) / (2 * Math.PI) + 1) % 1).toBeCloseTo(b / 2 ** 32, 12);
});

test('integerArray covers its range evenly', () => {
  const draws = integerArray(randomKey(12), 60_000, 6);
  const counts = [0, 0, 0, 0, 0, 0];
  for (const draw of draws) counts[draw]++;
  const chiSquared = counts.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
  expect(chiSquared).toBeLessThan(20.5); // 5 degrees of freedom: one in a thousand
  expect(integerArray(randomKey(12), 3, 1)).toEqual(Int32Array.of(0, 0, 0));
  const wide = integerArray(randomKey(12), 1000, 2 ** 31);
  expect(wide.every((draw) => draw >= 0)).toBe(true);
  expect(Math.max(...wide)).toBeGreaterThan(2 ** 31 * 0.99);
});

test('permutation holds each number once', () => {
  for (const n of [0, 1, 2, 1000]) {
    const order = permutation(randomKey(13), n);
    expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
  }
});

test('permutation gives every order equally often', () => {
  const trials = 24_000;
  const counts = new Map<string, number>();
  for (let i = 0; i < trials; i++) {
    const order = permutation(foldIn(randomKey(14), i), 4).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  const chiSquared = [...counts.values()].reduce((sum, n) => sum + (n - trials / 24) ** 2 / (trials / 24), 0);
  expect(chiSquared).toBeLessThan(49.7); // 23 degrees of freedom: one in a thousand
});

test('normal and uniform tensors hold the values of their arrays, and are all that is left', async () => {
  const x = await expectTensors(1, () => normal(randomKey(15), [2, 3, 5, 1]));
  await expect(x).toBeAllclose(normalArray(randomKey(15), 30), 1e-7);
  expect([x.dtype, x.shape]).toEqual(['float32', [2, 3, 5, 1]]);
  const u = await expectTensors(1, () => uniform(randomKey(15), [7], -1, 3));
  await expect(u).toBeAllclose(uniformArray(randomKey(15), 7, -1, 3), 1e-6);
  expect([u.dtype, u.shape]).toEqual(['float32', [7]]);
  const scalar: Tensor = await expectTensors(1, () => normal(randomKey(15), []));
  expect(scalar.shape).toEqual([]);
});

test('a float32 uniform tensor stays below 1 where 32 random bits would round up to it', async () => {
  const key = randomKey(43_287_483);
  expect(Math.fround(uniformArray(key, 1)[0])).toBe(1);
  const [value] = await uniform(key, [1]).data();
  expect(value).toBe(1 - 2 ** -24);
});

test.each<[string, () => unknown, string]>([
  ['a negative seed', () => randomKey(-1), 'randomKey: seed must be an integer >= 0, got -1'],
  ['a seed beyond 2^53', () => randomKey(2 ** 53), 'randomKey: seed must be an integer >= 0, got 9007199254740992'],
  ['a fraction folded in', () => foldIn(randomKey(0), 0.5), 'foldIn: data must be an integer >= 0, got 0.5'],
  ['a negative count', () => uniformArray(randomKey(0), -1), 'uniformArray: count must be an integer >= 0, got -1'],
  ['a fractional count', () => normalArray(randomKey(0), 1.5), 'normalArray: count must be an integer >= 0, got 1.5'],
  ['a count', () => integerArray(randomKey(0), -1, 2), 'integerArray: count must be an integer >= 0, got -1'],
  ['a bound of zero', () => integerArray(randomKey(0), 1, 0), 'integerArray: bound must be an integer >= 1, got 0'],
  [
    'a bound beyond int32',
    () => integerArray(randomKey(0), 1, 2 ** 31 + 1),
    'integerArray: bound must be at most 2^31, got 2147483649',
  ],
  [
    'a count of a permutation',
    () => permutation(randomKey(0), -1),
    'permutation: count must be an integer >= 0, got -1',
  ],
  ['a negative dimension', () => normal(randomKey(0), [2, -1]), 'normal: shape must be an integer >= 0, got -1'],
  ['a fractional dimension', () => uniform(randomKey(0), [0.5]), 'uniform: shape must be an integer >= 0, got 0.5'],
])('%s is refused', (_, call, message) => {
  expect(call).toThrow(expect.objectContaining({ name: 'ArgumentError', message }));
});
