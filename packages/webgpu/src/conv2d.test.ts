import { useBackend } from '@sd/backend';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

// SwiftShader takes seconds to compile each of these shaders: more cases are in conv2d.slow.test.ts.
describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('a convolution with bias and its gradients are those of the cpu backend', () =>
    expectSameAsCpu(() => {
      const [x, filter, bias] = [random([2, 9, 7, 8], 1), random([3, 3, 8, 36], 2), random([36], 3)];
      const f = (image: tf.Tensor, weights: tf.Tensor) =>
        tf.fused.conv2d({
          x: image as tf.Tensor4D,
          filter: weights as tf.Tensor4D,
          ...{ bias, strides: 1, pad: 'same' },
        }) as tf.Tensor;
      const gradients = tf.grads(f as (...tensors: tf.Tensor[]) => tf.Tensor)([x, filter], random([2, 9, 7, 36], 4));
      return [f(x, filter), ...gradients];
    }));

  test('the gradient of a filter, a sum in parts, is the same each time', async () => {
    const values: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const gradient = tf.tidy(() => {
        const x = random([2, 16, 16, 8], 1) as tf.Tensor4D;
        const f = (filter: tf.Tensor) => tf.conv2d(x, filter as tf.Tensor4D, 1, 'same');
        return tf.grad(f)(random([3, 3, 8, 36], 2), random([2, 16, 16, 36], 3));
      });
      values.push(await gradient.data());
      gradient.dispose();
    }
    expect(values[1]).toEqual(values[0]);
  });
});
