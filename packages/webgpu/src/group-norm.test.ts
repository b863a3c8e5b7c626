import { useBackend } from '@sd/backend';
import { normalArray, randomKey } from '@sd/core';
import { groupNorm } from '@sd/nn';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';

const norm = (groups: number, silu: boolean) => (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) =>
  groupNorm(x as tf.Tensor4D, scale as tf.Tensor1D, shift as tf.Tensor1D, { groups, eps: 1e-3, silu });

// By blocks, as large tensors are; small ones are among the kernels' tests, other shapes among the slow ones.
describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('means far from zero cost no digits of the variance', async () => {
    const [n, pixels, c, groups] = [2, 4500, 32, 8];
    const data = new Float32Array(normalArray(randomKey(5), n * pixels * c)).map((value) => value + 100);
    const expected = new Float64Array(data.length);
    const width = c / groups;
    for (let image = 0; image < n; image++) {
      for (let group = 0; group < groups; group++) {
        const own = Array.from({ length: pixels * width }, (_, i) => {
          return (image * pixels + Math.floor(i / width)) * c + group * width + (i % width);
        });
        const mean = own.reduce((sum, i) => sum + data[i]!, 0) / own.length;
        const variance = own.reduce((sum, i) => sum + (data[i]! - mean) ** 2, 0) / own.length;
        for (const i of own) expected[i] = (data[i]! - mean) / Math.sqrt(variance + 1e-3);
      }
    }
    const x = tf.tensor4d(data, [n, 50, 90, c]);
    tf.fill(x.shape, Number.NaN).dispose();
    const y = await expectTensors(1, () => tf.tidy(() => norm(groups, false)(x, tf.ones([c]), tf.zeros([c]))));
    await expect(y).toBeAllclose(expected);
  });

  test('a large tensor takes three dispatches, and seven backward', async () => {
    const inputs = [tf.ones([2, 64, 65, 32]), tf.ones([32]), tf.ones([32])] as const;
    const dy = tf.ones([2, 64, 65, 32]);
    const f = norm(8, true);
    expect(await countDispatches(() => f(...inputs).dispose())).toBe(3);
    expect(await countDispatches(() => tf.dispose(tf.grads(f)([...inputs], dy)))).toBe(3 + 7);
  });
});
