import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { affine } from './affine';
import { noise } from './test-values';

const [x, weight, bias] = [() => noise(1, [5, 3]), () => noise(2, [3, 4]), () => noise(3, [4])] as [
  () => Tensor2D,
  () => Tensor2D,
  () => Tensor1D,
];
const apply = (a: tf.Tensor, b: tf.Tensor, c?: tf.Tensor) => affine(a as Tensor2D, b as Tensor2D, c as Tensor1D);

describeBackends(['cpu', 'wasm'], () => {
  test('is that of a plain loop, with and without bias, and leaves one tensor', async () => {
    const [xs, ws, bs] = [x(), weight(), bias()];
    const [a, w, b] = [await xs.data(), await ws.data(), await bs.data()];
    const product = (row: number, column: number) =>
      [0, 1, 2].reduce((sum, i) => sum + (a[3 * row + i] as number) * (w[4 * i + column] as number), 0);
    const expected = (withBias: boolean) =>
      Array.from({ length: 20 }, (_, i) => product(Math.floor(i / 4), i % 4) + (withBias ? (b[i % 4] as number) : 0));
    await expect(await expectTensors(1, () => affine(xs, ws, bs))).toBeAllclose(expected(true));
    await expect(await expectTensors(1, () => affine(xs, ws))).toBeAllclose(expected(false));
  });

  test('its gradients are those of finite differences, and all that stays', async () => {
    const inputs = [x(), weight(), bias()] as const;
    const dy = noise(4, [5, 4]);
    await expectTensors(3, () => tf.grads(apply as (...xs: tf.Tensor[]) => tf.Tensor)([...inputs], dy));
    await expectGradient(apply as (...xs: tf.Tensor[]) => tf.Tensor, [...inputs]);
    await expectGradient(((a, b) => apply(a as tf.Tensor, b as tf.Tensor)) as (...xs: tf.Tensor[]) => tf.Tensor, [
      ...inputs.slice(0, 2),
    ]);
  });
});

describe('errors', () => {
  test('of shape', () => {
    expect(() => apply(tf.zeros([5, 3, 1]), weight())).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: affine: x must be [rows, in], got [5, 3, 1]]`,
    );
    expect(() => apply(x(), tf.zeros([4, 4]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: affine: weight must be [3, out], got [4, 4]]`,
    );
    expect(() => apply(x(), weight(), tf.zeros([3]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: affine: bias must be [4], got [3]]`,
    );
  });
});
