import { randomKey } from '@sd/core';
import { expect, test } from 'vitest';
import { linearDenoisers } from './linear-denoisers';

// For abar and S the errors have a closed form: of a filter H, E = (1 - H sqrt(1 - abar))^2 + H^2 abar S per frequency.
function expectedError(abar: number, length: number, filter: (spectrum: number) => number): number {
  const spectrum = Array.from({ length: length / 2 }, (_, i) => 1 / (i + 1) ** 2);
  const errors = spectrum.map((s) => (1 - filter(s) * Math.sqrt(1 - abar)) ** 2 + filter(s) ** 2 * abar * s);
  return errors.reduce((sum, value) => sum + value, 0) / errors.length;
}

test('errors of the filters are those of their closed form, and no filter beats the exact one by more than chance', () => {
  const [abar, length] = [0.8, 16];
  const { exact, published, best, coefficients } = linearDenoisers({ abar, length, signals: 4000, key: randomKey(1) });
  const denominator = (s: number) => abar * s + 1 - abar;
  // Some 64,000 squares, half of them independent: a relative deviation of about 0.8 %.
  expect(exact / expectedError(abar, length, (s) => Math.sqrt(1 - abar) / denominator(s))).toBeCloseTo(1, 1);
  expect(published / expectedError(abar, length, (s) => 1 / denominator(s))).toBeCloseTo(1, 1);
  expect(best / exact).toBeGreaterThan(0.999);
  expect(best / exact).toBeLessThan(1.01);
  expect(published / exact).toBeGreaterThan(2);
  expect(coefficients).toBeLessThan(0.1);
});

test('the numbers are a function of the key', () => {
  const options = { abar: 0.5, length: 8, signals: 20 };
  expect(linearDenoisers({ ...options, key: randomKey(1) })).toEqual(
    linearDenoisers({ ...options, key: randomKey(1) }),
  );
  expect(linearDenoisers({ ...options, key: randomKey(2) })).not.toEqual(
    linearDenoisers({ ...options, key: randomKey(1) }),
  );
});
