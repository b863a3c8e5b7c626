import { useBackend } from '@sd/backend';
import { normalArray, randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { magnitudes, PARTS, type Scaled } from './magnitudes';

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
  });

  test.each([
    { of: 'both', sizes: [7, 600_004] }, // the second, in fours, takes each thread two rounds
    { of: 'left', sizes: [150_001, 4] },
    { of: 'right', sizes: [4, 1] },
  ] as const)('the largest magnitudes of tensors of $sizes values are among those of parts, of $of', async (each) => {
    const tensors = each.sizes.map((size, i) => {
      const values = new Float32Array(normalArray(randomKey(size), size));
      values[size - 1] = -100 - i; // the last is the largest, and negative
      return tf.tensor1d(values);
    }) as [tf.Tensor, tf.Tensor];
    tf.fill([PARTS, 2], Number.NaN).dispose();
    const backend = tf.backend() as WebGPUBackend;
    const peaks = await expectTensors(1, () =>
      tf.engine().makeTensorFromTensorInfo(magnitudes(backend, ...tensors, each.of as Scaled)),
    );
    const values = await peaks.data();
    expect(values).toHaveLength(2 * PARTS);
    const largest = [0, 1].map((which) => Math.max(...values.filter((_, i) => i % 2 === which)));
    expect(largest).toEqual([each.of === 'right' ? 0 : 100, each.of === 'left' ? 0 : 101]);
  });
});
