import { useBackend } from '@sd/backend';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { ATTENTION_KERNEL, scaledDotProductAttention } from './attention';
import { goldenTensor, noise } from './test-values';

const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) =>
  scaledDotProductAttention(q as Tensor4D, k as Tensor4D, v as Tensor4D);

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test("attention matches torch's and leaves one tensor", async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => goldenTensor(`attention/${name}`));
    await expect(await expectTensors(1, () => attend(q, k, v))).toBeAllclose(goldenTensor('attention/y'));
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('attention over other tokens and features is that of a plain loop', async () => {
    const [n, heads, t, s, d, e] = [2, 3, 4, 5, 6, 7];
    const inputs = [noise(1, [n, heads, t, d]), noise(2, [n, heads, s, d]), noise(3, [n, heads, s, e])] as const;
    const [q, k, v] = await Promise.all(inputs.map((input) => input.data()));
    const expected: number[] = [];
    for (let batch = 0; batch < n * heads; batch++) {
      for (let i = 0; i < t; i++) {
        const weights = Array.from({ length: s }, (_, j) => {
          let dot = 0;
          for (let f = 0; f < d; f++) dot += q[(batch * t + i) * d + f] * k[(batch * s + j) * d + f];
          return Math.exp(dot / Math.sqrt(d));
        });
        const total = weights.reduce((sum, weight) => sum + weight);
        for (let f = 0; f < e; f++) {
          expected.push(weights.reduce((sum, weight, j) => sum + (weight / total) * v[(batch * s + j) * e + f], 0));
        }
      }
    }
    const y = attend(...inputs);
    expect(y.shape).toEqual([n, heads, t, e]);
    await expect(y).toBeAllclose(expected);
  });

  test('attention stays finite where logits are large, and picks the largest', async () => {
    const q = tf.tensor4d([300, 0], [1, 1, 1, 2]);
    const k = tf.tensor4d([300, 0, -300, 0], [1, 1, 2, 2]);
    await expect(attend(q, k, tf.tensor4d([7, 5], [1, 1, 2, 1]))).toBeAllclose([7]);
  });

  test('the gradients of attention are those of finite differences and leave three tensors', async () => {
    const inputs = [noise(4, [2, 2, 3, 4]), noise(5, [2, 2, 5, 4]), noise(6, [2, 2, 5, 3])];
    const dy = noise(7, [2, 2, 3, 3]);
    await expectTensors(3, () => tf.grads(attend)(inputs, dy));
    await expectGradient(attend, inputs);
  });
});

describe('a kernel of the backend', () => {
  test('runs in place of the composition, for heads of up to 128, and has its gradients', async () => {
    await useBackend('cpu');
    const inputs = [noise(4, [2, 2, 3, 4]), noise(5, [2, 2, 5, 4]), noise(6, [2, 2, 5, 3])];
    const dy = noise(7, [2, 2, 3, 3]);
    const composed = [attend(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])), ...tf.grads(attend)(inputs, dy)];
    let calls = 0;
    const kernelFunc: tf.KernelFunc = ({ inputs: { q, k, v } }) => {
      calls++;
      return tf.tidy(() => {
        const logits = tf.matMul(q as Tensor4D, k as Tensor4D, false, true);
        return tf.matMul(tf.softmax(tf.mul(logits, (q as Tensor4D).shape[3] ** -0.5)), v as Tensor4D);
      });
    };
    tf.registerKernel({ kernelName: ATTENTION_KERNEL, backendName: 'cpu', kernelFunc });
    try {
      const results = await expectTensors(4, () => [
        attend(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])),
        ...tf.grads(attend)(inputs, dy),
      ]);
      for (const [i, result] of results.entries()) await expect(result).toBeAllclose(composed[i]!);
      expect(calls).toBe(2);
      const long = tf.ones([1, 1, 1, 129]);
      attend(long, long, long);
      expect(calls).toBe(2);
    } finally {
      tf.unregisterKernel(ATTENTION_KERNEL, 'cpu');
    }
  });
});

describe('errors', () => {
  test('of shape', () => {
    const q = tf.zeros([1, 2, 3, 4]);
    expect(() => attend(tf.zeros([2, 3, 4]), q, q)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: scaledDotProductAttention: q must be [N, heads, T, D], got [2, 3, 4]]`,
    );
    expect(() => attend(q, tf.zeros([1, 2, 3, 5]), q)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: scaledDotProductAttention: k must be [1, 2, S, 4], got [1, 2, 3, 5]]`,
    );
    expect(() => attend(q, q, tf.zeros([1, 2, 4, 4]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: scaledDotProductAttention: v must be [1, 2, 3, E], got [1, 2, 4, 4]]`,
    );
  });
});
