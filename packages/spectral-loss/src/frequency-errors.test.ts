import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dft2d } from './dft2d';
import { frequencyErrors } from './frequency-errors';
import { idft2d } from './idft2d';
import { SpectrumStatistics } from './spectrum-statistics';
import { noise } from './test-values';

/** Multiplies the spectrum of square images by a gain of the radius. */
function filtered(x: Tensor4D, gain: (radius: number) => number): Tensor4D {
  return tf.tidy(() => {
    const [, size] = x.shape;
    const signed = (k: number) => Math.min(k, size - k);
    const radius = (i: number) => (2 * Math.hypot(signed(Math.floor(i / size)), signed(i % size))) / size;
    const gains = Float32Array.from({ length: size * size }, (_, i) => gain(radius(i)));
    const { re, im } = dft2d(x);
    const filter = tf.tensor4d(gains, [1, size, size, 1]);
    return idft2d({ re: tf.mul(re, filter), im: tf.mul(im, filter) }).re;
  });
}

/** [1 2 1]/4 along both axes, with wrap-around: a gain of cos^2 of half the frequency. */
function blurred(x: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    const shifted = (t: Tensor4D, axis: 1 | 2, by: number) => {
      const size = t.shape[axis];
      const order = Int32Array.from({ length: size }, (_, i) => (i + by + size) % size);
      return tf.gather(t, tf.tensor1d(order, 'int32'), axis);
    };
    const along = (t: Tensor4D, axis: 1 | 2) =>
      tf.div(tf.addN([shifted(t, axis, -1), t, t, shifted(t, axis, 1)]), 4) as Tensor4D;
    return along(along(x, 1), 2);
  });
}

describeBackends(['cpu', 'wasm'], () => {
  test('a set has no errors against itself, in another order, and nothing leaks', async () => {
    const x = noise(1, [3, 16, 16, 3]);
    expect(await expectTensors(0, () => frequencyErrors(x, x))).toEqual({ low: 0, high: 0 });
    const { low, high } = await frequencyErrors(tf.reverse(x, 0), x);
    expect(Math.max(low, high)).toBeLessThan(1e-12);
  });

  test('a gain on one band shows as the logarithm of its power in that band alone', async () => {
    const x = noise(2, [4, 32, 32, 1]);
    const louder = await frequencyErrors(
      filtered(x, (r) => (r < 0.25 ? 2 : 1)),
      x,
    );
    expect([louder.low]).toBeAllclose([Math.log(4)], 1e-5);
    expect(louder.high).toBeLessThan(1e-5);
    const duller = await frequencyErrors(
      filtered(x, (r) => (r < 0.25 ? 1 : 0.5)),
      x,
    );
    expect([duller.high]).toBeAllclose([Math.log(4)], 1e-5);
    expect(duller.low).toBeLessThan(1e-5);
  });

  test('blurring raises the high error and hardly the low one', async () => {
    const x = noise(3, [8, 32, 32, 3]);
    const { low, high } = await frequencyErrors(blurred(x), x);
    expect(high).toBeGreaterThan(1);
    expect(low).toBeLessThan(0.1);
    expect(low).toBeGreaterThan(0);
  });

  test('errors are those of the formula: bins, then logarithms, then means over images, then over bins', async () => {
    const [x, y] = [noise(4, [2, 8, 8, 1]), noise(5, [3, 8, 8, 1])];
    const meanLog = async (images: Tensor4D) => {
      const { re, im } = dft2d(images);
      const power = await tf.add(tf.square(re), tf.square(im)).data<'float32'>();
      return [0, 1, 2, 3].map((k) => {
        let sum = 0;
        for (let n = 0; n < images.shape[0]; n++) {
          const inBin = Array.from({ length: 64 }, (_, i) => i).filter((i) => {
            const radius = Math.hypot(Math.min(i >> 3, 8 - (i >> 3)), Math.min(i & 7, 8 - (i & 7)));
            return radius >= k && (k === 3 ? radius <= 4 : radius < k + 1);
          });
          sum += Math.log(inBin.reduce((total, i) => total + power[64 * n + i]!, 0) / inBin.length + 0.01);
        }
        return sum / images.shape[0];
      });
    };
    const [a, b] = [await meanLog(x), await meanLog(y)];
    const difference = a.map((value, k) => Math.abs(value - b[k]!));
    const { low, high } = await frequencyErrors(x, y, { epsilon: 0.01 });
    expect([low]).toBeAllclose([difference[0]!]);
    expect([high]).toBeAllclose([(difference[1]! + difference[2]! + difference[3]!) / 3]);
    const half = await frequencyErrors(x, y, { epsilon: 0.01, cutoff: 0.5 });
    expect([half.low]).toBeAllclose([(difference[0]! + difference[1]!) / 2]);
  });

  test('statistics gathered in batches give the errors of the whole sets, and their own settings prevail', async () => {
    const [x, y] = [noise(6, [5, 16, 12, 3]), noise(7, [4, 16, 12, 3], 0.7)];
    const options = { bins: 4, epsilon: 1e-3 };
    const streamed = new SpectrumStatistics(options);
    await expectTensors(0, async () => {
      for (const [start, count] of [
        [0, 2],
        [2, 1],
        [3, 2],
      ] as const) {
        const batch = tf.slice(x, [start, 0, 0, 0], [count, 16, 12, 3]);
        const added = streamed.add(batch);
        batch.dispose(); // allowed before the promise settles
        await added;
      }
    });
    expect(streamed).toMatchObject({ count: 5, size: [16, 12], bins: 4, epsilon: 1e-3 });
    const whole = await frequencyErrors(x, y, options);
    const errors = [await frequencyErrors(streamed, y), await frequencyErrors(streamed, y, options)];
    for (const { low, high } of errors) expect([low, high]).toBeAllclose([whole.low, whole.high], 1e-9);
    const reference = new SpectrumStatistics(options);
    await reference.add(y);
    expect([(await frequencyErrors(x, reference)).high]).toBeAllclose([whole.high], 1e-9);
  });

  test('batches added at the same time are all counted', async () => {
    const x = noise(8, [4, 8, 8, 1]);
    const [apart, together] = [new SpectrumStatistics(), new SpectrumStatistics()];
    await Promise.all([0, 1, 2, 3].map((i) => apart.add(tf.slice(x, [i, 0, 0, 0], [1, 8, 8, 1]))));
    await together.add(x);
    expect(apart.count).toBe(4);
    expect(apart.spectrum().power).toBeAllclose(together.spectrum().power, 1e-12);
    expect(apart.meanLogPower()).toBeAllclose(together.meanLogPower(), 1e-12);
  });

  test('epsilon is the floor: black images have its logarithm', async () => {
    const statistics = new SpectrumStatistics({ epsilon: 1e-4 });
    await statistics.add(tf.zeros([2, 8, 8, 3]));
    expect(statistics.meanLogPower()).toBeAllclose(new Array(4).fill(Math.log(1e-4)));
  });

  test('not a number in an image is not a number in the errors', async () => {
    const x = tf.fill([1, 8, 8, 1], Number.NaN) as Tensor4D;
    expect(await frequencyErrors(x, tf.zeros([1, 8, 8, 1]))).toEqual({ low: Number.NaN, high: Number.NaN });
  });
});

describe('errors', () => {
  const x = tf.ones([1, 16, 16, 3]) as Tensor4D;
  test('of shape', async () => {
    await expect(frequencyErrors(tf.zeros([1, 16, 16, 2]), x)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: SpectrumStatistics.add: x must be [N, H, W, 3] or [N, H, W, 1], got [1, 16, 16, 2]]`,
    );
    await expect(frequencyErrors(x, tf.zeros([1, 8, 16, 3]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frequencyErrors: reference must be of the layout of x, {"size":[16,16],"bins":8,"epsilon":1e-8}, got {"size":[8,16],"bins":4,"epsilon":1e-8}]`,
    );
    const statistics = new SpectrumStatistics();
    await statistics.add(x);
    await expect(statistics.add(tf.zeros([1, 8, 16, 3]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: SpectrumStatistics.add: x must be [N, 16, 16, 3 or 1], got [1, 8, 16, 3]]`,
    );
    expect(statistics.count).toBe(1);
  });
  test('of options', async () => {
    expect(() => new SpectrumStatistics({ epsilon: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics: epsilon must be a number in [0, Infinity], got -1]`,
    );
    await expect(frequencyErrors(x, x, { bins: 9 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics: bins must be at most 8, half the shorter side of 16x16, got 9]`,
    );
    await expect(frequencyErrors(x, x, { bins: 6 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frequencyErrors: cutoff must be k/6 with k in 1..5, an edge of a bin, got 0.25]`,
    );
    await expect(frequencyErrors(x, x, { cutoff: 2 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frequencyErrors: cutoff must be a number in [0, 1], got 2]`,
    );
    await expect(frequencyErrors(x, x, { cutoff: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frequencyErrors: cutoff must be k/8 with k in 1..7, an edge of a bin, got 0]`,
    );
    await expect(frequencyErrors(x, x, { bins: 1 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frequencyErrors: cutoff must be k/1 with k in 1..0, an edge of a bin, got 0.25]`,
    );
  });
  test('of statistics', async () => {
    const [empty, fine] = [new SpectrumStatistics(), new SpectrumStatistics({ bins: 8 })];
    expect(() => empty.spectrum()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.spectrum: images must be added before, got 0]`,
    );
    await fine.add(x);
    await expect(frequencyErrors(fine, empty)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.meanLogPower: images must be added before, got 0]`,
    );
    await expect(frequencyErrors(fine, x, { bins: 4 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: frequencyErrors: reference must be of the layout of x, {"size":[16,16],"bins":8,"epsilon":1e-8}, got {"size":[16,16],"bins":4,"epsilon":1e-8}]`,
    );
  });
});
