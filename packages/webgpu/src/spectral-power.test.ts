import { useBackend } from '@sd/backend';
import { spectralLoss } from '@sd/spectral-loss';
import { countDispatches, describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  const lossBy = (weight: tf.Tensor) => (x: tf.Tensor, y: tf.Tensor) =>
    spectralLoss(x as tf.Tensor4D, y as tf.Tensor4D, { weight: weight as tf.Tensor4D });

  // More cases are in spectral-power.slow.test.ts.
  test('the spectral loss and its gradients are those of the cpu backend', () =>
    expectSameAsCpu(() => {
      const f = lossBy(random([2, 5, 6, 1], 1));
      const inputs = [random([2, 5, 6, 3], 2), random([2, 5, 6, 3], 3)] as const;
      return [f(...inputs), ...tf.grads(f)([...inputs])];
    }));

  test('a loss with its gradient is eleven dispatches', async () => {
    const [x, y, weight] = [random([2, 16, 16, 4], 1), random([2, 16, 16, 4], 2), random([2, 16, 16, 1], 3)];
    const f = (image: tf.Tensor) => lossBy(weight)(image, y);
    const dispatches = await countDispatches(() => tf.dispose(tf.valueAndGrad(f)(x)));
    tf.dispose([x, y, weight]);
    expect(dispatches).toBe(11);
  });
});
