import '@sd/testing';
import { normalArray, randomKey } from '@sd/core';
import { describe, expect, test } from 'vitest';
import { naturalSpectrum } from './natural-spectrum';
import { noiseFilter, noiseFilterPublished, wienerFilter } from './wiener';

const spectrum = Float64Array.of(0, 0.1, 1, 30);

test('the filters have their closed form', () => {
  // abar = 0.75: sqrt(0.75) s / (0.75 s + 0.25), 0.5 / (0.75 s + 0.25), 1 / (0.75 s + 0.25).
  expect(wienerFilter(spectrum, 0.75)).toBeAllclose(
    [0, (Math.sqrt(0.75) * 0.1) / 0.325, Math.sqrt(0.75), (Math.sqrt(0.75) * 30) / 22.75],
    1e-14,
  );
  expect(noiseFilter(spectrum, 0.75)).toBeAllclose([2, 0.5 / 0.325, 0.5, 0.5 / 22.75], 1e-14);
  expect(noiseFilterPublished(spectrum, 0.75)).toBeAllclose([4, 1 / 0.325, 1, 1 / 22.75], 1e-14);
});

test('the two estimates are consistent: sqrt(abar) G + sqrt(1 - abar) H = 1', () => {
  for (const abar of [0, 0.01, 0.5, 0.999]) {
    const [g, h] = [wienerFilter(spectrum, abar), noiseFilter(spectrum, abar)];
    const sum = g.map((value, i) => Math.sqrt(abar) * value + Math.sqrt(1 - abar) * h[i]!);
    expect(sum).toBeAllclose([1, 1, 1, 1], 1e-14);
  }
});

test('the published noise filter lacks the factor sqrt(1 - abar)', () => {
  const [exact, published] = [noiseFilter(spectrum, 0.36), noiseFilterPublished(spectrum, 0.36)];
  expect(published.map((value) => 0.8 * value)).toBeAllclose(exact, 1e-14);
});

test('as the noise falls the signal filter opens to higher frequencies (Figure 3)', () => {
  const natural = naturalSpectrum(Array.from({ length: 40 }, (_, i) => (i + 1) / 4));
  const bandwidth = [0.1, 0.5, 0.9, 0.99].map((abar) => {
    const gain = wienerFilter(natural, abar).map((g) => g * g);
    return gain.findIndex((value) => value < 0.5 * gain[0]!);
  });
  expect(bandwidth).toEqual([...bandwidth].sort((a, b) => a - b));
  expect(new Set(bandwidth).size).toBe(4);
});

describe('Proposition 1 by Monte Carlo', () => {
  const [length, trials, abar] = [16, 4000, 0.5];
  const truth = Float64Array.from({ length }, (_, f) => 1 / (0.5 + Math.min(f, length - f)) ** 2);

  /** Orthonormal DFT of real white noise, [re, im] for each frequency: the spectrum of a stationary unit process. */
  function* whiteSpectra(seed: number): Generator<Float64Array> {
    const values = normalArray(randomKey(seed), trials * length);
    const cosine = Float64Array.from({ length }, (_, k) => Math.cos((2 * Math.PI * k) / length) / Math.sqrt(length));
    const sine = Float64Array.from({ length }, (_, k) => -Math.sin((2 * Math.PI * k) / length) / Math.sqrt(length));
    for (let trial = 0; trial < trials; trial++) {
      const spectrum = new Float64Array(2 * length);
      for (let f = 0; f < length; f++) {
        for (let j = 0; j < length; j++) {
          const value = values[trial * length + j]!;
          spectrum[2 * f]! += value * cosine[(f * j) % length]!;
          spectrum[2 * f + 1]! += value * sine[(f * j) % length]!;
        }
      }
      yield spectrum;
    }
  }

  /** Least-squares filters by regression of x_0 and eps on x_t, frequency by frequency, over f and -f. */
  function regress(): { signal: number[]; noise: number[] } {
    const [signal, noise, total] = [new Float64Array(length), new Float64Array(length), new Float64Array(length)];
    const epsilons = whiteSpectra(2);
    for (const white of whiteSpectra(1)) {
      const eps = epsilons.next().value as Float64Array;
      for (let i = 0; i < 2 * length; i++) {
        const f = i >> 1;
        const x0 = Math.sqrt(truth[f]!) * white[i]!;
        const xt = Math.sqrt(abar) * x0 + Math.sqrt(1 - abar) * eps[i]!;
        signal[f]! += x0 * xt;
        noise[f]! += eps[i]! * xt;
        total[f]! += xt * xt;
      }
    }
    return {
      signal: Array.from(signal, (value, f) => value / total[f]!),
      noise: Array.from(noise, (value, f) => value / total[f]!),
    };
  }

  test('the best linear filters are wienerFilter and noiseFilter, not the published form', () => {
    const best = regress();
    const [g, h, published] = [wienerFilter, noiseFilter, noiseFilterPublished].map((filter) => filter(truth, abar));
    // 4000 trials (8000 degrees of freedom but at f = 0 and Nyquist's) leave a deviation of about 0.015.
    const worst = (filter: Float64Array, estimate: number[]) =>
      Math.max(...filter.map((value, f) => Math.abs(value - estimate[f]!)));
    expect(worst(g!, best.signal)).toBeLessThan(0.05);
    expect(worst(h!, best.noise)).toBeLessThan(0.05);
    expect(worst(published!, best.noise)).toBeGreaterThan(0.5);
  });
});

describe('naturalSpectrum', () => {
  test('is A / f^a, by default 1 / f^2', () => {
    expect(naturalSpectrum([0.5, 1, 2])).toBeAllclose([4, 1, 0.25], 1e-15);
    expect(naturalSpectrum([0.25, 4], { amplitude: 3, exponent: 0.5 })).toBeAllclose([6, 1.5], 1e-15);
  });
});

describe('errors', () => {
  test('of alphaCumprod and spectrum', () => {
    expect(() => wienerFilter([1], 1)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: wienerFilter: alphaCumprod must be a number in [0, 1), got 1]`,
    );
    expect(() => noiseFilter([1], -0.1)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: noiseFilter: alphaCumprod must be a number in [0, 1), got -0.1]`,
    );
    expect(() => noiseFilterPublished([1], Number.NaN)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: noiseFilterPublished: alphaCumprod must be a number in [0, 1), got NaN]`,
    );
    expect(() => wienerFilter([1, -1], 0.5)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: wienerFilter: spectrum[1] must be a finite number >= 0, got -1]`,
    );
    expect(() => noiseFilter([Number.POSITIVE_INFINITY], 0.5)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: noiseFilter: spectrum[0] must be a finite number >= 0, got Infinity]`,
    );
  });
  test('of naturalSpectrum', () => {
    expect(() => naturalSpectrum([1, 0])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: naturalSpectrum: frequencies[1] must be a number > 0, got 0]`,
    );
    expect(() => naturalSpectrum([1], { amplitude: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: naturalSpectrum: amplitude must be a number in [0, Infinity], got -1]`,
    );
    expect(() => naturalSpectrum([1], { exponent: Number.NaN })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: naturalSpectrum: exponent must be a number in [-10, 10], got NaN]`,
    );
  });
});
