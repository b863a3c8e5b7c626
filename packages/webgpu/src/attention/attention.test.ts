import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { ATTENTION_KERNEL, selfAttention } from '@sd/nn';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from '../index';
import { attend, expectReference } from './attention-reference';

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  // all of the same widths, since each pair of them is a set of shaders of its own
  test('attention and its gradients are those of float64 loops, over several tiles and workgroups', () =>
    expectReference(1, { batch: 2, heads: 2, t: 70, s: 35, d: 6, e: 3 }));

  test('one dispatch forward, four backward; longer heads are left to the composition', async () => {
    const [q, k, v] = [tf.ones([1, 1, 4, 6]), tf.ones([1, 1, 5, 6]), tf.ones([1, 1, 5, 3])] as const;
    const dy = tf.ones([1, 1, 4, 3]);
    expect(await countDispatches(() => attend(q, k, v).dispose())).toBe(1);
    expect(await countDispatches(() => tf.dispose(tf.grads(attend)([q, k, v], dy)))).toBe(1 + 4);
    const long = tf.ones([1, 1, 4, 129]);
    expect(tf.getKernel(ATTENTION_KERNEL, 'webgpu')).toBeDefined();
    await expect(attend(long, long, long)).toBeAllclose(long);
    expect(await countDispatches(() => attend(long, long, long).dispose())).toBeGreaterThan(1);
  });

  test('heads that lie side by side attend as those that are apart, and so do their gradients', async () => {
    const [n, heads, t, d] = [2, 2, 9, 6];
    const qkv = normal(randomKey(1), [n, t, heads * 3 * d]) as Tensor3D;
    const dy = normal(randomKey(2), [n, t, heads * d]);
    const together = (x: tf.Tensor) => selfAttention(x as Tensor3D, heads);
    const apart = (x: tf.Tensor) => {
      const parts = tf.split(tf.transpose(tf.reshape(x, [n, t, heads, 3, d]), [3, 0, 2, 1, 4]), 3, 0);
      const [q, k, v] = parts.map((part) => tf.reshape(part, [n, heads, t, d])) as [tf.Tensor, tf.Tensor, tf.Tensor];
      return tf.reshape(tf.transpose(attend(q, k, v), [0, 2, 1, 3]), [n, t, heads * d]);
    };
    const [y, dqkv] = await expectTensors(2, () => [together(qkv), tf.grad(together)(qkv, dy)] as const);
    await expect(y).toBeAllclose(tf.tidy(() => apart(qkv)));
    await expect(dqkv).toBeAllclose(
      tf.tidy(() => tf.grad(apart)(qkv, dy)),
      { of: 'gradient' },
    );
    expect(await countDispatches(() => together(qkv).dispose())).toBe(1);
  });

  test('attention stays finite where logits are large, and picks the largest', async () => {
    const row = (first: number, width: number) => [first, ...new Array<number>(width - 1).fill(0)];
    const q = tf.tensor4d(row(600, 6), [1, 1, 1, 6]);
    const k = tf.tensor4d([row(300, 6), row(-300, 6)].flat(), [1, 1, 2, 6]);
    const v = tf.tensor4d([row(7, 3), row(5, 3)].flat(), [1, 1, 2, 3]);
    await expect(attend(q, k, v)).toBeAllclose([7, 0, 0]);
    const [dq, dk, dv] = tf.grads(attend)([q, k, v]);
    await expect(dq!).toBeAllclose(row(0, 6));
    await expect(dk!).toBeAllclose(row(0, 12));
    await expect(dv!).toBeAllclose([1, 1, 1, 0, 0, 0]);
  });
});
