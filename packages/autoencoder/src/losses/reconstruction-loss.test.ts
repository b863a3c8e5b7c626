import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { reconstructionLoss } from './reconstruction-loss';

const pair = () => [tf.tensor4d([1, 2, 3, 4], [1, 2, 1, 2]), tf.tensor4d([1.5, 2, 1, 5], [1, 2, 1, 2])] as const;

describeBackends(['cpu', 'wasm'], () => {
  test('l1 is the mean of the absolute errors, l2 of the squared ones', async () => {
    const [x, y] = pair();
    await expect(await expectTensors(1, () => reconstructionLoss(x, y))).toBeAllclose(3.5 / 4);
    await expect(await expectTensors(1, () => reconstructionLoss(x, y, { norm: 'l2' }))).toBeAllclose(5.25 / 4);
  });

  test('both have the gradients of finite differences', async () => {
    const x = tf.randomNormal([1, 3, 2, 2], 0, 1, 'float32', 1);
    const errors = [0.5, -1, 2, -0.3, 0.7, -0.2, 1, -1, 3, 0.4, -0.6, 0.8]; // none near 0, where |x| has no gradient
    const y = tf.add(x, tf.tensor4d(errors, [1, 3, 2, 2]));
    for (const norm of ['l1', 'l2'] as const) {
      await expectGradient((a, b) => reconstructionLoss(a as tf.Tensor4D, b as tf.Tensor4D, { norm }), [x, y]);
    }
  });
});

test('images of different shapes are refused', () => {
  const [x] = pair();
  expect(() => reconstructionLoss(x, tf.zeros([1, 2, 2, 2]))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: reconstructionLoss: reconstruction must be [1, 2, 1, 2], got [1, 2, 2, 2]]`,
  );
  expect(() => reconstructionLoss(tf.zeros([2, 2]) as unknown as tf.Tensor4D, x)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: reconstructionLoss: x must be [N, H, W, C], got [2, 2]]`,
  );
});
