import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { noise } from './test-values';
import { weightedPower } from './weighted-power';
import { withoutGradient } from './without-gradient';

const shape = [2, 3, 4, 2] as const;
const given = (_re: Tensor4D, _im: Tensor4D, weight?: Tensor4D) => weight!;

describeBackends(['cpu', 'wasm'], () => {
  test('weightedPower is its formula, broadcasts the weight, and leaves one tensor', async () => {
    const [re, im, weight] = [noise(1, shape), noise(2, shape), noise(3, [2, 1, 4, 1])];
    const sum = await expectTensors(1, () => weightedPower({ re, im }, given, [weight]));
    await expect(sum).toBeAllclose(tf.sum(tf.mul(weight, tf.add(tf.square(re), tf.square(im)))));
  });

  test('its gradient is that of finite differences, of intermediate tensors too; that to constants is zero', async () => {
    const [re, im, weight] = [noise(4, shape), noise(5, shape), noise(6, [2, 1, 4, 1])];
    const f = (a: Tensor, b: Tensor, w: Tensor) =>
      tf.square(weightedPower({ re: tf.mul(a, 0.3), im: tf.mul(b, 0.2) }, given, [w as Tensor4D]));
    await expectGradient((a, b) => f(a!, b!, weight), [re, im]);
    const gradients = await expectTensors(3, () => tf.grads(f)([re, im, weight]));
    await expect(gradients[2]!).toBeAllclose(tf.zerosLike(weight));
  });

  test('a weight made of the spectrum is a constant to its gradient', async () => {
    const [re, im] = [noise(7, shape), noise(8, shape)];
    const gradient = tf.grad((a) => weightedPower({ re: a as Tensor4D, im }, (x, y) => tf.mul(x, y)))(re);
    await expect(gradient).toBeAllclose(tf.mul(tf.mul(tf.square(re), im), 2));
  });

  test('it differentiates twice', async () => {
    // d/dx sum (2 w x)^2 = 8 w^2 x.
    const [x, im, weight] = [noise(9, shape), noise(10, shape), noise(11, [2, 1, 4, 1])];
    const first = tf.grad((a) => weightedPower({ re: a as Tensor4D, im }, given, [weight]));
    const second = tf.grad((a) => tf.square(first(a)))(x);
    await expect(second).toBeAllclose(tf.mul(tf.mul(tf.square(weight), 8), x));
  });

  test('withoutGradient gives a constant, also of an intermediate tensor', async () => {
    const x = noise(12, shape);
    const detached = (a: Tensor) => withoutGradient(tf.mul(a, 2), (b) => tf.square(b));
    await expect(detached(x)).toBeAllclose(tf.mul(tf.square(x), 4));
    const gradient = await expectTensors(1, () => tf.tidy(() => tf.grad((a) => tf.mul(a, detached(a)))(x)));
    await expect(gradient).toBeAllclose(detached(x));
  });
});
