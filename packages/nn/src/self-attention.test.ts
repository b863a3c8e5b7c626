import { useBackend } from '@sd/backend';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { scaledDotProductAttention } from './attention';
import { SELF_ATTENTION_GRAD_KERNEL, SELF_ATTENTION_KERNEL, selfAttention } from './self-attention';
import { noise } from './test-values';

const attend = (qkv: tf.Tensor) => selfAttention(qkv as Tensor3D, 2);

describeBackends(['cpu', 'wasm'], () => {
  test('heads that lie side by side attend as those that are apart', async () => {
    const [n, heads, t, d] = [2, 2, 5, 3];
    const [q, k, v] = [1, 2, 3].map((seed) => noise(seed, [n, heads, t, d])) as [Tensor4D, Tensor4D, Tensor4D];
    const together = tf.reshape(tf.transpose(tf.stack([q, k, v], 3), [0, 2, 1, 3, 4]), [n, t, heads * 3 * d]);
    const y = await expectTensors(1, () => attend(together));
    const apart = scaledDotProductAttention(q, k, v);
    expect(y.shape).toEqual([n, t, heads * d]);
    await expect(y).toBeAllclose(tf.reshape(tf.transpose(apart, [0, 2, 1, 3]), y.shape));
  });

  test('its gradient is that of finite differences and leaves one tensor', async () => {
    const [qkv, dy] = [noise(4, [2, 3, 24]), noise(5, [2, 3, 8])];
    await expectTensors(1, () => tf.grad(attend)(qkv, dy));
    await expectGradient(attend, [qkv]);
  });
});

describe('a kernel of the backend', () => {
  test('runs in place of the composition, and its three gradients are put side by side', async () => {
    await useBackend('cpu');
    const [qkv, dy] = [noise(4, [2, 3, 24]), noise(5, [2, 3, 8])];
    const composed = [attend(qkv), tf.grad(attend)(qkv, dy)] as const;
    const kernel = (kernelName: string, kernelFunc: tf.KernelFunc) =>
      tf.registerKernel({ kernelName, backendName: 'cpu', kernelFunc });
    const calls: object[] = [];
    kernel(SELF_ATTENTION_KERNEL, ({ attrs }) => {
      calls.push({ ...attrs });
      return tf.clone(composed[0]);
    });
    kernel(SELF_ATTENTION_GRAD_KERNEL, ({ inputs, attrs }) => {
      calls.push({ ...attrs, inputs: Object.keys(inputs) });
      const apart = tf.split(tf.reshape(composed[1], [2, 3, 2, 3, 4]), 3, 3);
      return apart.map((part) => tf.reshape(part, [2, 3, 8]));
    });
    try {
      const gradient = tf.grad(attend)(qkv, dy);
      await expect(gradient).toBeAllclose(composed[1]);
      expect(calls).toEqual([{ heads: 2 }, { heads: 2, inputs: ['qkv', 'y', 'dy'] }]);
      selfAttention(tf.ones([1, 1, 3 * 129]), 1);
      expect(calls).toHaveLength(2);
    } finally {
      tf.unregisterKernel(SELF_ATTENTION_KERNEL, 'cpu');
      tf.unregisterKernel(SELF_ATTENTION_GRAD_KERNEL, 'cpu');
    }
  });
});

test('errors of shape and heads', () => {
  expect(() => attend(tf.zeros([3, 4]))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: selfAttention: qkv must be [N, T, C], got [3, 4]]`,
  );
  expect(() => attend(tf.zeros([1, 3, 8]))).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: selfAttention: heads must be such that 3 heads divide the 8 values of a token, got 2]`,
  );
  expect(() => selfAttention(tf.zeros([1, 3, 6]), 0)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: selfAttention: heads must be an integer >= 1, got 0]`,
  );
});
