import { useBackend } from '@sd/backend';
import { upsampledConv2d } from '@sd/nn';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

// SwiftShader takes seconds to compile each of these shaders: more cases are in upsampled-conv2d.slow.test.ts.
describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  const convolve = (...[x, filter, bias]: tf.Tensor[]) =>
    upsampledConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, bias as tf.Tensor1D | undefined);

  const inputs = () => [random([2, 5, 3, 8], 1), random([3, 3, 8, 4], 2), random([4], 3)];

  test('a convolution of an upsampled image and its gradients are those of the cpu backend', () =>
    expectSameAsCpu(() => {
      const all = inputs();
      return [convolve(...all), ...tf.grads(convolve)(all, random([2, 10, 6, 4], 4))];
    }));

  test('the upsampled image is not made, in no direction', () => {
    const [all, dy] = [inputs(), random([2, 10, 6, 4], 4)];
    const backend = tf.backend() as unknown as { runWebGPUProgram: (...args: never[]) => tf.TensorInfo };
    const runProgram = backend.runWebGPUProgram;
    const sizes: number[] = [];
    backend.runWebGPUProgram = (...args) => {
      const result = runProgram.apply(backend, args);
      sizes.push(tf.util.sizeFromShape(result.shape));
      return result;
    };
    try {
      tf.dispose(tf.grads(convolve)(all, dy));
    } finally {
      backend.runWebGPUProgram = runProgram;
      tf.dispose([all, dy]);
    }
    const [y, taps, dx, dFilter] = [2 * 10 * 6 * 4, 4 * 4 * 8 * 4, 2 * 5 * 3 * 8, 3 * 3 * 8 * 4];
    expect(sizes).toEqual([y, taps, dx, dFilter, 4]); // the last is the bias's gradient; the image would be 960
  });
});
