import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { stopGradient, straightThrough, withoutGradient } from './stop-gradient';

describeBackends(['cpu', 'wasm'], () => {
  test('a stopped factor is a constant: d/dx sum(sg[x] x) = x, not 2x', async () => {
    const x = tf.tensor1d([1, 2, -3]);
    const gradient = await expectTensors(1, () => tf.grad((v) => tf.sum(tf.mul(stopGradient(v), v)))(x));
    await expect(gradient).toBeAllclose([1, 2, -3]);
    await expect(await expectTensors(1, () => stopGradient(x))).toBeAllclose(x, 0);
  });

  test('operations without a gradient may be used inside', async () => {
    const x = tf.tensor2d([
      [3, 1, 2],
      [5, 6, 4],
    ]);
    const picked = (v: tf.Tensor) => {
      const index = withoutGradient(() => tf.argMin(v, 1));
      return tf.sum(tf.mul(tf.oneHot(tf.cast(index, 'int32'), 3), v));
    };
    await expect(await expectTensors(1, () => tf.grad(picked)(x))).toBeAllclose([
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });

  test('straightThrough has the value of one and the gradient of the other', async () => {
    const x = tf.tensor1d([0.1, 1 / 3, 5]);
    const rounded = tf.tensor1d([0, 1 / 7, 7]);
    const y = await expectTensors(1, () => straightThrough(x, rounded));
    expect(await y.data()).toEqual(await rounded.data());
    await expectGradient((v) => tf.mul(straightThrough(v, v), tf.sigmoid(v)), x);
    const gradient = await expectTensors(1, () =>
      tf.grad((v) => tf.sum(tf.square(straightThrough(v, tf.round(v)))))(x),
    );
    await expect(gradient).toBeAllclose([0, 0, 10]); // 2 round(x)
  });
});
