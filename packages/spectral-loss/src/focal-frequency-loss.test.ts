import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dft2d } from './dft2d';
import { focalFrequencyLoss } from './focal-frequency-loss';
import { goldenImages, goldenScalar, noise } from './test-values';

/** The formula of the paper by steps, on the full spectrum. */
function plainLoss(x: Tensor4D, y: Tensor4D, largest: (weight: tf.Tensor) => tf.Tensor): tf.Tensor {
  const [a, b] = [dft2d(x), dft2d(y)];
  const power = tf.add(tf.squaredDifference(a.re, b.re), tf.squaredDifference(a.im, b.im));
  const weight = tf.sqrt(power);
  return tf.mean(tf.mul(power, tf.div(weight, largest(weight))));
}

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test.each([0.5, 1, 2])('focalFrequencyLoss matches the authors’ package at alpha %d', async (alpha) => {
    const [x, y] = [goldenImages('ffl/pred'), goldenImages('ffl/target')];
    const loss = await expectTensors(1, () => focalFrequencyLoss(x, y, { alpha }));
    await expect(loss).toBeAllclose([goldenScalar(`ffl/alpha${alpha.toFixed(1)}`)]);
  });

  test('logMatrix matches the authors’ package', async () => {
    const [x, y] = [goldenImages('ffl/pred'), goldenImages('ffl/target')];
    await expect(focalFrequencyLoss(x, y, { logMatrix: true })).toBeAllclose([goldenScalar('ffl/log')]);
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('alpha 0 is the mean squared error, and its sum', async () => {
    const [x, y] = [noise(1, [2, 5, 4, 3]), noise(2, [2, 5, 4, 3])];
    const squares = tf.squaredDifference(x, y);
    await expect(focalFrequencyLoss(x, y, { alpha: 0 })).toBeAllclose(tf.mean(squares));
    await expect(focalFrequencyLoss(x, y, { alpha: 0, reduction: 'sum' })).toBeAllclose(tf.sum(squares));
  });

  test('equals its formula on odd sizes; batchMatrix takes the maximum of the batch', async () => {
    const [x, y] = [noise(3, [2, 5, 7, 3]), noise(4, [2, 5, 7, 3])];
    await expect(focalFrequencyLoss(x, y)).toBeAllclose(plainLoss(x, y, (w) => tf.max(w, [1, 2], true)));
    await expect(focalFrequencyLoss(x, y, { batchMatrix: true })).toBeAllclose(plainLoss(x, y, (w) => tf.max(w)));
  });

  test('patchFactor compares patch by patch', async () => {
    const [x, y] = [noise(5, [2, 4, 6, 2]), noise(6, [2, 4, 6, 2])];
    const patches: tf.Tensor[] = [];
    for (const [top, left] of [
      [0, 0],
      [0, 3],
      [2, 0],
      [2, 3],
    ] as const) {
      const cut = (t: Tensor4D) => tf.slice(t, [0, top, left, 0], [2, 2, 3, 2]);
      patches.push(focalFrequencyLoss(cut(x), cut(y)));
    }
    await expect(focalFrequencyLoss(x, y, { patchFactor: 2 })).toBeAllclose(tf.div(tf.addN(patches), 4));
  });

  test('averageSpectrum compares the spectra’s means over the batch', async () => {
    const [x, y] = [noise(7, [3, 4, 4, 2]), noise(8, [3, 4, 4, 2])];
    const mean = (t: Tensor4D) => tf.mean<Tensor4D>(t, 0, true);
    const loss = focalFrequencyLoss(x, y, { averageSpectrum: true });
    await expect(loss).toBeAllclose(focalFrequencyLoss(mean(x), mean(y)));
  });

  test('is zero for equal images, and its gradient is', async () => {
    const x = noise(9, [1, 4, 4, 2]);
    await expect(focalFrequencyLoss(x, tf.clone(x))).toBeAllclose([0]);
    const gradient = tf.grad((a) => focalFrequencyLoss(a as Tensor4D, x))(tf.clone(x));
    await expect(gradient).toBeAllclose(tf.zerosLike(x));
  });

  test('its gradient takes the weight for a constant', async () => {
    const [x, y] = [noise(10, [1, 4, 5, 2]), noise(11, [1, 4, 5, 2])];
    const constant = tf.tidy(() => {
      const { re, im } = dft2d(tf.sub(x, y));
      const magnitude = tf.sqrt(tf.add(tf.square(re), tf.square(im)));
      return tf.div(magnitude, tf.max(magnitude, [1, 2], true));
    });
    const frozen = (a: tf.Tensor) => {
      const { re, im } = dft2d(tf.sub(a, y));
      return tf.mean(tf.mul(constant, tf.add(tf.square(re), tf.square(im))));
    };
    await expectGradient(frozen, x);
    const gradient = await expectTensors(1, () => tf.grad((a) => focalFrequencyLoss(a as Tensor4D, y))(x));
    await expect(gradient).toBeAllclose(tf.grad(frozen)(x));
  });
});

describe('errors', () => {
  const x = tf.zeros([1, 4, 6, 3]) as Tensor4D;
  test('of shape', () => {
    expect(() => focalFrequencyLoss(tf.zeros([4]) as unknown as Tensor4D, x)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: focalFrequencyLoss: prediction must be [N, H, W, C], got [4]]`,
    );
    expect(() => focalFrequencyLoss(x, tf.zeros([1, 4, 6, 1]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: focalFrequencyLoss: target must be [1, 4, 6, 3], got [1, 4, 6, 1]]`,
    );
    expect(() => focalFrequencyLoss(x, x, { patchFactor: 4 })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: focalFrequencyLoss: prediction must be [N, H, W, C] with H and W divisible by patchFactor 4, got [1, 4, 6, 3]]`,
    );
  });
  test('of options', () => {
    expect(() => focalFrequencyLoss(x, x, { alpha: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: focalFrequencyLoss: alpha must be a number in [0, 10], got -1]`,
    );
    expect(() => focalFrequencyLoss(x, x, { patchFactor: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: focalFrequencyLoss: patchFactor must be an integer >= 1, got 0]`,
    );
    expect(() => focalFrequencyLoss(x, x, { norm: 'x' as 'ortho' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: focalFrequencyLoss: norm must be 'ortho', 'backward' or 'forward', got "x"]`,
    );
    expect(() => focalFrequencyLoss(x, x, { reduction: 'x' as 'sum' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: focalFrequencyLoss: reduction must be 'mean' or 'sum', got "x"]`,
    );
  });
});
