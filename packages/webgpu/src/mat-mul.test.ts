import { useBackend } from '@sd/backend';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

// SwiftShader takes seconds to compile each of these shaders: more cases are in mat-mul.slow.test.ts.
describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('a product with bias and activation is that of the cpu backend, and one of many transposed matrices', () =>
    expectSameAsCpu(() => {
      const [a, b, bias] = [random([37, 20], 1), random([20, 9], 2), random([9], 3)] as const;
      return [
        tf.fused.matMul({ a, b, bias, activation: 'relu' }),
        tf.matMul(random([3, 12, 33], 4), random([3, 8, 12], 5), true, true),
      ];
    }));
});
