import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { noise } from './test-values';
import { averagePool2x, upsampleNearest2x } from './upsample';

describeBackends(['cpu', 'wasm'], () => {
  test('upsampleNearest2x copies each pixel into a block of four and leaves one tensor', async () => {
    const x = noise<tf.Rank.R4>(1, [2, 3, 5, 4]);
    const y = await expectTensors(1, () => upsampleNearest2x(x));
    const from = await x.data();
    const expected = new Float32Array(2 * 6 * 10 * 4);
    let next = 0;
    for (let n = 0; n < 2; n++)
      for (let h = 0; h < 6; h++)
        for (let w = 0; w < 10; w++)
          for (let c = 0; c < 4; c++)
            expected[next++] = from[((n * 3 + Math.floor(h / 2)) * 5 + Math.floor(w / 2)) * 4 + c];
    expect(y.shape).toEqual([2, 6, 10, 4]);
    await expect(y).toBeAllclose(expected, 0);
  });

  test('the gradient of upsampleNearest2x sums each block, in every sample of a batch', async () => {
    const x = noise<tf.Rank.R4>(2, [2, 3, 5, 4]);
    const dy = noise<tf.Rank.R4>(3, [2, 6, 10, 4]);
    const gradient = tf.grad((a) => upsampleNearest2x(a as Tensor4D));
    const dx = await expectTensors(1, () => gradient(x, dy));
    const from = await dy.data();
    const expected = new Float64Array(2 * 3 * 5 * 4);
    let next = 0;
    for (let n = 0; n < 2; n++)
      for (let h = 0; h < 6; h++)
        for (let w = 0; w < 10; w++)
          for (let c = 0; c < 4; c++)
            expected[((n * 3 + Math.floor(h / 2)) * 5 + Math.floor(w / 2)) * 4 + c] += from[next++];
    await expect(dx).toBeAllclose(expected);
    await expectGradient((a) => upsampleNearest2x(a as Tensor4D), x);
  });

  test('averagePool2x takes the mean of each block and leaves one tensor', async () => {
    const x = tf.tensor4d([1, 2, 5, 6, 3, 4, 7, 12, -1, -2, 0, 0, -3, -4, 0, 2], [2, 2, 4, 1]);
    const y = await expectTensors(1, () => averagePool2x(x));
    expect(y.shape).toEqual([2, 1, 2, 1]);
    await expect(y).toBeAllclose([2.5, 7.5, -2.5, 0.5]);
  });

  test('averagePool2x undoes upsampleNearest2x', async () => {
    const x = noise<tf.Rank.R4>(4, [2, 4, 3, 5]);
    await expect(averagePool2x(upsampleNearest2x(x))).toBeAllclose(x, 1e-6);
  });

  test('the gradient of averagePool2x is that of finite differences, in a batch', async () => {
    await expectGradient((a) => averagePool2x(a as Tensor4D), noise<tf.Rank.R4>(5, [2, 4, 6, 3]));
  });
});

describe('errors', () => {
  test('of shape', () => {
    const flat = tf.zeros([4, 4, 1]) as unknown as Tensor4D;
    expect(() => upsampleNearest2x(flat)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: upsampleNearest2x: x must be [N, H, W, C], got [4, 4, 1]]`,
    );
    expect(() => averagePool2x(flat)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: averagePool2x: x must be [N, H, W, C], got [4, 4, 1]]`,
    );
    expect(() => averagePool2x(tf.zeros([1, 4, 5, 1]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: averagePool2x: x must be [N, even, even, C], got [1, 4, 5, 1]]`,
    );
    expect(() => averagePool2x(tf.zeros([1, 3, 4, 1]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: averagePool2x: x must be [N, even, even, C], got [1, 3, 4, 1]]`,
    );
  });
});
