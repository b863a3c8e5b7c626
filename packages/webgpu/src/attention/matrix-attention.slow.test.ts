import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { scaledDotProductAttention, selfAttention } from '@sd/nn';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emulatedMatrixUnits } from '../gemm/emulated-matrix-units';
import { dawnMatrixUnits, matrixUnits } from '../gemm/matrix-units';
import { registerWebGPUKernels } from '../index';
import { setPrecision } from '../precision';
import { expectReference } from './attention-reference';

// On a GPU: `pnpm test:gpu`. Here units are emulated in float32, so that everything but the rounding to halves is compared.
describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels({ precision: 'mixed' });
    matrixUnits.current = emulatedMatrixUnits;
  });
  afterAll(() => {
    matrixUnits.current = dawnMatrixUnits;
    setPrecision('test', 'float32');
  });

  test('attention on matrix units and its gradients are those of float64 loops', () =>
    expectReference(1, { batch: 1, heads: 2, t: 50, s: 35, d: 16, e: 32 }));

  test('so are rows that matrices do not divide, and those of no fours', async () => {
    await expectReference(2, { batch: 2, heads: 1, t: 17, s: 64, d: 20, e: 12 });
    await expectReference(3, { batch: 1, heads: 1, t: 16, s: 16, d: 5, e: 18 });
  });

  test('heads that lie side by side attend as those that are apart, in one dispatch forward and six in all', async () => {
    const [n, heads, t, d] = [2, 3, 40, 16];
    const qkv = normal(randomKey(1), [n, t, heads * 3 * d]) as Tensor3D;
    // as small as gradients can be
    const dy = tf.tidy(() => tf.mul(normal(randomKey(2), [n, t, heads * d]), 2 ** -40));
    const attend = (x: tf.Tensor) => selfAttention(x as Tensor3D, heads);
    const apart = (x: tf.Tensor) => {
      const parts = tf.split(tf.transpose(tf.reshape(x, [n, t, heads, 3, d]), [3, 0, 2, 1, 4]), 3, 0);
      const [q, k, v] = parts.map((part) => tf.reshape(part, [n, heads, t, d])) as [Tensor4D, Tensor4D, Tensor4D];
      return tf.reshape(tf.transpose(scaledDotProductAttention(q, k, v), [0, 2, 1, 3]), [n, t, heads * d]);
    };
    setPrecision('test', 'float32');
    const expected = tf.tidy(() => [apart(qkv), tf.grad(apart)(qkv, dy)]);
    setPrecision('test', 'mixed');
    expect(await countDispatches(() => attend(qkv).dispose())).toBe(1);
    // forward, magnitudes, statistics, dq, dk with dv, and the two side by side
    expect(await countDispatches(() => tf.grad(attend)(qkv, dy).dispose())).toBe(6);
    const results = await expectTensors(2, () => [attend(qkv), tf.grad(attend)(qkv, dy)]);
    for (const [i, result] of results.entries()) {
      await expect(result).toBeAllclose(expected[i]!, i === 0 ? 1e-5 : { of: 'gradient' });
    }
  });
});
