import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { add } from './add';
import { valueAndGradients } from './gradients';
import { Linear } from './linear';
import { noise } from './test-values';

const SHAPES: readonly (readonly [number[], number[]])[] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [
    [2, 3, 4],
    [2, 1, 4],
  ],
  [
    [3, 1],
    [2, 3, 4],
  ],
  [[], [2, 3]],
];

describeBackends(['cpu', 'wasm'], () => {
  test.each(SHAPES)('adds as tf.add does, with its gradients: %o and %o', async (shapeA, shapeB) => {
    const [a, b] = [noise(1, shapeA), noise(2, shapeB)];
    const sum = await expectTensors(1, () => add(a, b));
    await expect(sum).toBeAllclose(tf.add(a, b), 0);
    const dy = noise(3, sum.shape);
    const actual = await expectTensors(2, () => tf.grads((x, y) => add(x, y))([a, b], dy));
    const expected = tf.grads((x, y) => tf.add(x, y))([a, b], dy);
    for (const [i, gradient] of actual.entries()) await expect(gradient).toBeAllclose(expected[i] as tf.Tensor, 0);
  });

  test('its gradient is that of finite differences', async () => {
    await expectGradient((a, b) => add(a as tf.Tensor, b as tf.Tensor), [noise(1, [2, 3]), noise(2, [3])]);
  });

  test('keeps nothing for the backward pass', async () => {
    const layer = new Linear({ inFeatures: 4, outFeatures: 4 });
    const x = noise(1, [2000, 4]);
    const peak = async (sum: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor) => {
      const loss = () => {
        let y: tf.Tensor = layer.forward(x);
        for (let i = 0; i < 6; i++) y = sum(y, x);
        return tf.sum(y) as tf.Scalar;
      };
      return (await tf.profile(() => valueAndGradients(loss, layer.parameters()).value)).peakBytes;
    };
    await peak(add); // allocates the parameters
    expect(await peak(add)).toBeLessThan(0.7 * (await peak(tf.add)));
  });
});

test('names a disposed operand', () => {
  const x = tf.zeros([2]);
  x.dispose();
  expect(() => add(tf.zeros([2]), x)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: add: b must be a tensor that is not disposed, got [2]]`,
  );
  expect(() => add(x, tf.zeros([2]))).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: add: a must be a tensor that is not disposed, got [2]]`,
  );
});

test('shapes that do not broadcast are an error', () => {
  expect(() => add(tf.zeros([2]), tf.zeros([3]))).toThrowErrorMatchingInlineSnapshot(
    `[Error: Operands could not be broadcast together with shapes 2 and 3.]`,
  );
});
