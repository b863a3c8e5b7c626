import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dft2d } from './dft2d';
import { type Reduction, type SpectralLossOptions, spectralLoss } from './spectral-loss';
import { spectralWeight } from './spectral-weight';
import { goldenImages, goldenScalar, noise } from './test-values';

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('spectralLoss matches torch, with the weight scaled and not, and leaves one tensor', async () => {
    const [student, teacher, reference] = ['sa/student', 'sa/teacher', 'sa/x0'].map(goldenImages) as [
      Tensor4D,
      Tensor4D,
      Tensor4D,
    ];
    const loss = await expectTensors(1, () => spectralLoss(student, teacher, { reference, normalize: false }));
    await expect(loss).toBeAllclose([goldenScalar('sa/loss')]);
    await expect(spectralLoss(student, teacher, { reference })).toBeAllclose([goldenScalar('sa/loss_normalised')]);
    const weight = goldenImages('sa/weight');
    await expect(spectralLoss(student, teacher, { weight })).toBeAllclose([goldenScalar('sa/loss')]);
  });

  test('its gradient matches torch, and leaves one tensor', async () => {
    const [student, teacher, reference] = ['sa/student', 'sa/teacher', 'sa/x0'].map(goldenImages) as [
      Tensor4D,
      Tensor4D,
      Tensor4D,
    ];
    const gradient = await expectTensors(1, () =>
      tf.grad((x) => spectralLoss(x as Tensor4D, teacher, { reference }))(student),
    );
    await expect(gradient).toBeAllclose(goldenImages('sa/grad_student_normalised'), { of: 'gradient' });
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('weight 1 gives the mean squared error, and its sum the squared error (Parseval), at any size', async () => {
    for (const [h, w] of [
      [4, 6],
      [5, 7],
      [1, 8],
      [6, 1],
      [3, 2],
    ] as const) {
      const [x, y] = [noise(1, [2, h, w, 3]), noise(2, [2, h, w, 3])];
      const weight = tf.ones([1, h, w, 1]) as Tensor4D;
      const squares = tf.squaredDifference(x, y);
      await expect(spectralLoss(x, y, { weight })).toBeAllclose(tf.mean(squares));
      await expect(spectralLoss(x, y, { weight, reduction: 'sum' })).toBeAllclose(tf.sum(squares));
    }
  });

  test('any weight counts for its own frequencies, of each sample and channel, mirror images included', async () => {
    for (const shape of [
      [2, 4, 6, 3],
      [2, 5, 3, 3],
    ] as const) {
      const [n, h, w, c] = shape;
      const [x, y] = [noise(3, shape), noise(4, shape)];
      const { re, im } = dft2d(tf.sub(x, y), { norm: 'forward' });
      const power = tf.add(tf.square(re), tf.square(im));
      for (const weightShape of [
        [n, h, w, c],
        [1, h, w, c],
        [n, h, w, 1],
      ] as const) {
        const weight = noise(5, weightShape);
        const loss = spectralLoss(x, y, { weight, norm: 'forward' });
        await expect(loss).toBeAllclose(tf.mean(tf.mul(power, weight)));
      }
    }
  });

  test('the options of spectralWeight reach it', async () => {
    const [x, y, reference] = [noise(6, [2, 4, 4, 2]), noise(7, [2, 4, 4, 2]), noise(8, [2, 9, 8, 2])];
    const options = { alpha: -0.5, epsilon: 0.1, normalize: false, channels: 'none', resize: 'area' } as const;
    const weight = spectralWeight(reference, { ...options, size: [4, 4], norm: 'backward' });
    await expect(spectralLoss(x, y, { reference, norm: 'backward', ...options })).toBeAllclose(
      spectralLoss(x, y, { weight, norm: 'backward' }),
    );
  });

  test('is zero for equal features, and its gradient is', async () => {
    const [x, reference] = [noise(9, [1, 4, 4, 2]), noise(10, [1, 8, 8, 3])];
    await expect(spectralLoss(x, x, { reference })).toBeAllclose([0]);
    const [dx] = tf.grads((a, b) => spectralLoss(a as Tensor4D, b as Tensor4D, { reference }))([x, tf.clone(x)]);
    await expect(dx!).toBeAllclose(tf.zerosLike(x));
  });

  test('the gradients to prediction and target are those of finite differences', async () => {
    const [x, y, reference] = [noise(11, [1, 4, 5, 2]), noise(12, [1, 4, 5, 2]), noise(13, [1, 8, 8, 3])];
    await expectGradient((a, b) => spectralLoss(a as Tensor4D, b as Tensor4D, { reference }), [x, y]);
  });

  test('no gradient flows to the reference or the weight', async () => {
    const [x, y, z] = [noise(14, [1, 4, 4, 3]), noise(15, [1, 4, 4, 3]), noise(16, [1, 4, 4, 3])];
    const byReference = tf.grad((r) => spectralLoss(x, y, { reference: r as Tensor4D }))(z);
    const byWeight = tf.grad((w) => spectralLoss(x, y, { weight: w as Tensor4D }))(z);
    await expect(byReference).toBeAllclose(tf.zerosLike(z));
    await expect(byWeight).toBeAllclose(tf.zerosLike(z));
  });
});

describe('errors', () => {
  const [x, reference] = [tf.zeros([2, 4, 4, 3]) as Tensor4D, tf.zeros([2, 8, 8, 3]) as Tensor4D];
  test('of shape', () => {
    const images = (...shape: [number, number, number, number]): Tensor4D => tf.zeros(shape);
    expect(() => spectralLoss(images(0, 4, 4, 3), x, { reference })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralLoss: prediction must be [N, H, W, C] without an empty dimension, got [0, 4, 4, 3]]`,
    );
    expect(() => spectralLoss(x, images(2, 4, 5, 3), { reference })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralLoss: target must be [2, 4, 4, 3], got [2, 4, 5, 3]]`,
    );
    expect(() => spectralLoss(x, x, { reference: images(1, 8, 8, 3) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralLoss: reference must be [2, H, W, C], got [1, 8, 8, 3]]`,
    );
    expect(() =>
      spectralLoss(x, x, { reference: images(2, 8, 8, 2), channels: 'none' }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralLoss: reference must be [2, H, W, 3], got [2, 8, 8, 2]]`,
    );
    expect(() => spectralLoss(x, x, { weight: images(3, 4, 4, 1) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralLoss: weight must be [2 or 1, 4, 4, 3 or 1], got [3, 4, 4, 1]]`,
    );
    expect(() => spectralLoss(x, x, { weight: images(2, 4, 4, 2) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralLoss: weight must be [2 or 1, 4, 4, 3 or 1], got [2, 4, 4, 2]]`,
    );
    expect(() => spectralLoss(x, x, { weight: images(2, 8, 4, 1) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralLoss: weight must be [2 or 1, 4, 4, 3 or 1], got [2, 8, 4, 1]]`,
    );
  });
  test('of options', () => {
    const options = (value: object) => value as SpectralLossOptions;
    expect(() => spectralLoss(x, x, options({}))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralLoss: options must be exactly one of reference and weight, got 0]`,
    );
    expect(() => spectralLoss(x, x, options({ reference, weight: x }))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralLoss: options must be exactly one of reference and weight, got 2]`,
    );
    expect(() => spectralLoss(x, x, { reference, reduction: 'max' as Reduction })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralLoss: reduction must be 'mean' or 'sum', got "max"]`,
    );
    expect(() => spectralLoss(x, x, { reference, alpha: 99 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralWeight: alpha must be a number in [-10, 10], got 99]`,
    );
    expect(() => spectralLoss(x, x, options({ reference, norm: 'l2' }))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralLoss: norm must be 'ortho', 'backward' or 'forward', got "l2"]`,
    );
  });
});
