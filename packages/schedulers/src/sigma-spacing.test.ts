import { expect, test } from 'vitest';
import { betaSigmas, exponentialSigmas, karrasSigmas, luSigmas } from './sigma-spacing';

const range = { steps: 7, maximum: 80, minimum: 0.002 };

test('all rules fall from the maximum to the minimum', () => {
  for (const rule of [karrasSigmas, exponentialSigmas, betaSigmas]) {
    for (const steps of [2, 7, 200]) {
      const sigmas = rule({ ...range, steps });
      expect(sigmas).toHaveLength(steps);
      expect(sigmas[0] / 80).toBeCloseTo(1, 12);
      expect(sigmas[steps - 1] / 0.002).toBeCloseTo(1, 12);
      expect(sigmas.every((sigma, i) => i === 0 || sigma < sigmas[i - 1])).toBe(true);
    }
    const [only] = rule({ ...range, steps: 1 });
    expect(only / 80).toBeCloseTo(1, 12);
  }
});

test("Karras' are equally spaced in sigma^(1/rho), exponential ones in log(sigma)", () => {
  const differences = (values: readonly number[]) => values.slice(1).map((value, i) => value - values[i]);
  const karras = differences(karrasSigmas({ ...range, rho: 5 }).map((sigma) => sigma ** (1 / 5)));
  for (const difference of karras) expect(difference).toBeCloseTo(karras[0], 12);
  const exponential = differences(exponentialSigmas(range).map(Math.log));
  for (const difference of exponential) expect(difference).toBeCloseTo(exponential[0], 12);
  expect(luSigmas(range)).toEqual(exponentialSigmas(range));
});

test('beta sigmas with alpha = beta = 1 are equally spaced', () => {
  const sigmas = betaSigmas({ ...range, alpha: 1, beta: 1 });
  sigmas.forEach((sigma, i) => {
    expect(sigma).toBeCloseTo(80 + (i / 6) * (0.002 - 80), 10);
  });
});

test('ranges and exponents that make no sigmas are refused', () => {
  expect(() => karrasSigmas({ ...range, steps: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: karrasSigmas: steps must be an integer >= 1, got 0]`,
  );
  expect(() => karrasSigmas({ ...range, minimum: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: karrasSigmas: minimum must be a finite number > 0, got 0]`,
  );
  expect(() => exponentialSigmas({ ...range, maximum: 0.001 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: exponentialSigmas: maximum must be a finite number >= 0.002, got 0.001]`,
  );
  expect(() => karrasSigmas({ ...range, rho: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: karrasSigmas: rho must be a positive number, got 0]`,
  );
  expect(() => betaSigmas({ ...range, alpha: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: betaSigmas: alpha must be a positive number, got 0]`,
  );
  expect(() => betaSigmas({ ...range, beta: -1 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: betaSigmas: beta must be a positive number, got -1]`,
  );
});
