import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { goldenImages } from '../test-values';
import { averagePool3x3 } from './average-pool';
import { maxPool } from './max-pool';

const POOLS: readonly (readonly [name: string, pool: (x: Tensor4D) => Tensor4D])[] = [
  ['max3s2', (x) => maxPool(x, { kernel: 3, stride: 2 })],
  ['max3s2ceil', (x) => maxPool(x, { kernel: 3, stride: 2, ceil: true })],
  ['max3s1p1', (x) => maxPool(x, { kernel: 3, stride: 1, pad: 1 })],
  ['max2s2', (x) => maxPool(x, { kernel: 2, stride: 2 })],
  ['avg3s1p1', averagePool3x3],
];

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  describe.each(POOLS)('%s', (name, pool) => {
    test.each(['7x8', '8x9', '11x6'])(
      'of %s is that of torch, with its gradient, and leaves one tensor',
      async (size) => {
        const [x, y, dy, dx] = [`${size}/x`, ...['y', 'dy', 'dx'].map((part) => `${size}/${name}/${part}`)].map(
          (part) => goldenImages(`pool/${part}`),
        );
        await expect(await expectTensors(1, () => pool(x!))).toBeAllclose(y!);
        const gradient = await expectTensors(1, () => tf.grad((a) => pool(a as Tensor4D))(x!, dy!));
        await expect(gradient).toBeAllclose(dx!, { of: 'gradient' });
      },
    );

    test('has the gradient of finite differences', async () => {
      // A permutation: maxima are apart by more than the steps.
      const values = Float32Array.from({ length: 60 }, (_, i) => ((i * 37) % 60) / 6);
      await expectGradient((a) => pool(a as Tensor4D), tf.tensor4d(values, [1, 5, 6, 2]));
    });
  });

  test('of the smallest images and of negative ones the border never wins', async () => {
    const x = tf.tensor4d([-3, -2, -5, -4], [1, 2, 2, 1]);
    await expect(maxPool(x, { kernel: 3, stride: 1, pad: 1 })).toBeAllclose(tf.fill([1, 2, 2, 1], -2));
    await expect(maxPool(x, { kernel: 3, stride: 2, ceil: true })).toBeAllclose(tf.fill([1, 1, 1, 1], -2));
    await expect(averagePool3x3(x)).toBeAllclose(tf.fill([1, 2, 2, 1], -3.5));
  });
});

test('errors', () => {
  const wrong = tf.zeros([2, 2]) as tf.Tensor as Tensor4D;
  expect(() => maxPool(wrong, { kernel: 2, stride: 2 })).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: maxPool: x must be [N, H, W, C], got [2, 2]]`,
  );
  expect(() => averagePool3x3(wrong)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: averagePool3x3: x must be [N, H, W, C], got [2, 2]]`,
  );
  const small = tf.zeros([1, 1, 4, 1]) as Tensor4D;
  expect(() => maxPool(small, { kernel: 2, stride: 2 })).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: maxPool: x must be [N, H, W, C] of at least one 2 x 2 window, got [1, 1, 4, 1]]`,
  );
});
