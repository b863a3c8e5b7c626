import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dft2d } from './dft2d';
import { idft2d } from './idft2d';
import { defaultBinCount, radialBins } from './radial-bins';
import { radialSpectrum } from './radial-spectrum';
import { noise } from './test-values';

/** White noise filtered to the power spectrum 1 / r^exponent, r as a fraction of Nyquist's frequency, without r = 0. */
function powerLawNoise(seed: number, n: number, size: number, exponent: number): Tensor4D {
  return tf.tidy(() => {
    const { re, im } = dft2d(noise(seed, [n, size, size, 1]));
    const gain = Float32Array.from({ length: size * size }, (_, i) => {
      const signed = (k: number) => Math.min(k, size - k);
      const radius = (2 * Math.hypot(signed(Math.floor(i / size)), signed(i % size))) / size;
      return radius === 0 ? 0 : radius ** (-exponent / 2);
    });
    const filter = tf.tensor4d(gain, [1, size, size, 1]);
    return idft2d({ re: tf.mul(re, filter), im: tf.mul(im, filter) }).re;
  });
}

describe('radialBins', () => {
  test('of 8x8 in four bins: each coefficient within Nyquist, once, in the ring of its radius', () => {
    const { bin, count, frequency } = radialBins('test', 8, 8, 4);
    // Columns are horizontal frequencies 0..4, rows the vertical ones 0 1 2 3 4 -3 -2 -1; in units of a bin's width the
    // radius is hypot(u, v), and 4 is Nyquist's frequency.
    expect(Array.from({ length: 5 }, (_, v) => Array.from(bin.subarray(8 * v, 8 * v + 8)))).toEqual([
      [0, 1, 2, 3, 3, 3, 2, 1],
      [1, 1, 2, 3, -1, 3, 2, 1],
      [2, 2, 2, 3, -1, 3, 2, 2],
      [3, 3, 3, -1, -1, -1, 3, 3],
      [3, -1, -1, -1, -1, -1, -1, -1],
    ]);
    // Lattice points with hypot in [k, k+1), the circle of radius 4 belonging to the last, but +4 and -4 being one.
    expect(Array.from(count)).toEqual([1, 8, 16, 22]);
    expect(frequency[0]).toBe(0);
    expect(frequency[1]).toBeCloseTo((4 * 1 + 4 * Math.SQRT2) / 8 / 4, 12);
  });

  test('a radius on an edge is in the bin above it, whatever the rounding of its square root', () => {
    const [size, bins] = [56, 28];
    const { bin } = radialBins('test', size, size, bins);
    for (const [u, v, radius] of [
      [3, 4, 5],
      [6, 8, 10],
      [5, 12, 13],
      [10, 24, 26],
      [8, 15, 17],
    ] as const) {
      expect([bin[v * size + u], bin[u * size + v], bin[v * size + size - u]]).toEqual([radius, radius, radius]);
    }
  });

  test('holds a coefficient in every bin, at any size', () => {
    for (const [h, w] of [
      [2, 2],
      [3, 5],
      [7, 7],
      [9, 30],
      [64, 48],
    ] as const) {
      for (let bins = 1; bins <= Math.min(h, w) / 2; bins++) {
        const { count, frequency } = radialBins('test', h, w, bins);
        expect(count.every((n) => n > 0)).toBe(true);
        expect(frequency.every((r, k) => r >= k / bins - 1e-9 && r <= (k + 1) / bins + 1e-9)).toBe(true);
      }
    }
  });

  test('by default has an edge at a quarter of Nyquist', () => {
    expect([8, 15, 28, 32, 64, 100].map((size) => defaultBinCount(size, size))).toEqual([4, 4, 12, 16, 32, 48]);
    expect([2, 5, 7].map((size) => defaultBinCount(size, 100))).toEqual([1, 2, 3]);
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('white noise has a flat spectrum of its variance, and nothing leaks', async () => {
    const x = noise(1, [48, 32, 32, 1], 0.5);
    const { frequency, power } = await expectTensors(0, () => radialSpectrum(x));
    expect(power).toHaveLength(16);
    const { count } = radialBins('test', 32, 32, 16);
    for (let k = 0; k < 16; k++) {
      // A mean over half as many independent exponential variables as there are coefficients; 5 standard deviations.
      const deviation = 1 / Math.sqrt((48 * count[k]!) / 2);
      expect(Math.abs(power[k]! / 0.25 - 1)).toBeLessThan(5 * deviation);
    }
    expect(frequency[0]).toBe(0);
    expect(frequency[8]).toBeGreaterThan(8 / 16);
    expect(frequency[8]).toBeLessThan(9 / 16);
  });

  test.each([1, 2])('the slope of a spectrum 1/f^%d is recovered', async (exponent) => {
    const x = powerLawNoise(2, 24, 64, exponent);
    const { frequency, power } = await radialSpectrum(x);
    expect(power[0]).toBeLessThan(1e-6);
    // Least squares on log-log axes, without the zero frequency and the first rings, too wide for their radius.
    const points = Array.from(
      { length: 28 },
      (_, i) => [Math.log(frequency[i + 4]!), Math.log(power[i + 4]!)] as const,
    );
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const [mx, my] = [mean(points.map(([a]) => a)), mean(points.map(([, b]) => b))];
    const slope = mean(points.map(([a, b]) => (a - mx) * (b - my))) / mean(points.map(([a]) => (a - mx) ** 2));
    expect(Math.abs(slope + exponent)).toBeLessThan(0.03);
  });

  test('on oblong images the radius is in cycles per pixel: turning an image keeps its spectrum', async () => {
    const x = noise(3, [2, 24, 16, 3]);
    const [upright, turned] = [await radialSpectrum(x), await radialSpectrum(tf.transpose(x, [0, 2, 1, 3]))];
    expect(upright.power).toHaveLength(8);
    expect(turned.power).toBeAllclose(upright.power);
    // A vertical wave of a quarter cycle per pixel, half of Nyquist's frequency, along the longer side.
    const rows = Array.from({ length: 24 }, (_, i) => Math.cos((Math.PI / 2) * i));
    const wave = tf.tile(tf.tensor4d(rows, [1, 24, 1, 1]), [1, 1, 16, 1]) as Tensor4D;
    const { power, frequency } = await radialSpectrum(wave);
    expect(power.indexOf(Math.max(...power))).toBe(4);
    expect(frequency[4]).toBeGreaterThanOrEqual(0.5);
  });

  test('all power is found: the bins of a band-limited image add up to its energy (Parseval)', async () => {
    const smooth = tf.tidy(() => {
      const wave = (fu: number, fv: number) =>
        Array.from({ length: 144 }, (_, i) => Math.cos((2 * Math.PI * (fu * Math.floor(i / 12) + fv * (i % 12))) / 12));
      const values = [wave(0, 1), wave(2, 3), wave(4, -1)].reduce((a, b) => a.map((v, i) => v + b[i]! + 0.2));
      return tf.tensor4d(values, [1, 12, 12, 1]);
    });
    const { power } = await radialSpectrum(smooth, { bins: 5 });
    const { count } = radialBins('test', 12, 12, 5);
    const energy = (await smooth.data<'float32'>()).reduce((sum, v) => sum + v * v, 0);
    expect([power.reduce((sum, p, k) => sum + p * count[k]!, 0)]).toBeAllclose([energy]);
  });

  test('integer images are images too', async () => {
    const bytes = tf.tensor4d(
      Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256),
      [1, 8, 8, 1],
    );
    expect(bytes.dtype).toBe('int32');
    const { power } = await expectTensors(0, () => radialSpectrum(bytes));
    expect(power).toBeAllclose((await radialSpectrum(tf.cast(bytes, 'float32'))).power);
  });
});

describe('errors', () => {
  const x = tf.zeros([1, 8, 9, 1]) as Tensor4D;
  test('of shape and bins', async () => {
    await expect(radialSpectrum(tf.zeros([1, 8, 8, 4]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: SpectrumStatistics.add: x must be [N, H, W, 3] or [N, H, W, 1], got [1, 8, 8, 4]]`,
    );
    await expect(radialSpectrum(x, { bins: 5 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics: bins must be at most 4, half the shorter side of 8x9, got 5]`,
    );
    await expect(radialSpectrum(x, { bins: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics: bins must be an integer >= 1, got 0]`,
    );
    await expect(radialSpectrum(tf.zeros([1, 1, 8, 1]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics: bins must be an integer >= 1, got 0]`,
    );
  });
});
