import { expect, test } from 'vitest';
import { betaQuantile } from './beta-quantile';

const probabilities = [1e-6, 1e-3, 0.1, 0.25, 0.5, 0.7, 0.9, 0.999];

test('agrees with SciPy 1.10 (scipy.stats.beta.ppf), as far as that has digits', () => {
  const symmetric = [
    1.85588246245305e-10, 1.855873851745199e-5, 0.03958440558878085, 0.17568037865269498, 0.5, 0.7659829961247643,
    0.9604155944112192, 0.9999814412614826,
  ];
  const skewed = [
    0.0022633573403033624, 0.07041025269973811, 0.5917763064160143, 0.8151419641380887, 0.9572324930941079,
    0.9924178059122644, 0.9998063933936611, 0.9999999999582949,
  ];
  for (const [i, p] of probabilities.entries()) {
    expect(betaQuantile(p, 0.6, 0.6) / symmetric[i]).toBeCloseTo(1, 10);
    expect(betaQuantile(p, 2, 0.3) / skewed[i]).toBeCloseTo(1, 10);
  }
});

test('closed forms: uniform, a power and the arcsine', () => {
  for (const p of probabilities) {
    expect(betaQuantile(p, 1, 1)).toBeCloseTo(p, 13);
    expect(betaQuantile(p, 3, 1)).toBeCloseTo(Math.cbrt(p), 13);
    expect(betaQuantile(p, 0.5, 0.5)).toBeCloseTo(Math.sin((Math.PI * p) / 2) ** 2, 13);
  }
});

test('ends at 0 and 1, and rises', () => {
  expect([betaQuantile(0, 0.6, 0.6), betaQuantile(1, 0.6, 0.6)]).toEqual([0, 1]);
  const values = Array.from({ length: 101 }, (_, i) => betaQuantile(i / 100, 0.6, 0.6));
  expect(values.every((value, i) => i === 0 || value > values[i - 1])).toBe(true);
});
