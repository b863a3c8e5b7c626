import { useBackend } from '@sd/backend';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

const cases = fc.record({
  n: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 4, max: 11 }),
  w: fc.integer({ min: 4, max: 11 }),
  inC: fc.constantFrom(1, 3, 4, 8, 40),
  outC: fc.constantFrom(1, 3, 4, 36),
  size: fc.constantFrom(1, 2, 3),
  stride: fc.constantFrom(1, 2),
  pad: fc.constantFrom('same' as const, 'valid' as const, 1),
  seed: fc.integer({ min: 1, max: 99 }),
});

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('a convolution and its gradients are those of the cpu backend, whatever size, stride and padding', () =>
    fc.assert(
      fc.asyncProperty(cases, ({ n, h, w, inC, outC, size, stride, pad, seed }) =>
        expectSameAsCpu(() => {
          const x = random([n, h, w, inC], seed);
          const filter = random([size, size, inC, outC], seed + 1);
          const rounding = pad === 1 ? 'floor' : undefined;
          const f = (image: tf.Tensor, weights: tf.Tensor) =>
            tf.conv2d(image as tf.Tensor4D, weights as tf.Tensor4D, stride, pad, 'NHWC', 1, rounding);
          const y = f(x, filter);
          return [y, ...tf.grads(f as (...tensors: tf.Tensor[]) => tf.Tensor)([x, filter], random(y.shape, seed + 2))];
        }),
      ),
      { numRuns: 6 },
    ));

  test.each(['linear', 'relu', 'relu6', 'sigmoid', 'elu'] as const)('bias and %s are fused into it', (activation) =>
    expectSameAsCpu(() => {
      const [x, filter, bias] = [random([1, 5, 6, 4], 1), random([3, 3, 4, 6], 2), random([6], 3)];
      const common = { strides: 1, pad: 'same', activation } as const;
      return [tf.fused.conv2d({ x: x as tf.Tensor4D, filter: filter as tf.Tensor4D, bias, ...common })];
    }),
  );

  test('dilated convolutions, rows of images and a bias that is one number are right', () =>
    expectSameAsCpu(() => {
      const x = random([2, 9, 8, 3], 1) as tf.Tensor4D;
      const filter = random([3, 2, 3, 5], 2) as tf.Tensor4D;
      const row = random([2, 12, 4], 3) as tf.Tensor3D;
      return [
        tf.conv2d(x, filter, 1, 'same', 'NHWC', [2, 3]),
        tf.conv1d(row, random([3, 4, 5], 4) as tf.Tensor3D, 1, 'same'),
        tf.fused.conv2d({ x, filter, strides: 1, pad: 'valid', bias: tf.scalar(0.5), activation: 'relu' }),
      ];
    }));

  test('what is not ours is left to tfjs', () =>
    expectSameAsCpu(() => {
      const x = random([1, 5, 6, 4], 1) as tf.Tensor4D;
      const filter = random([3, 3, 4, 6], 2) as tf.Tensor4D;
      const preluActivationWeights = random([6], 3);
      return [tf.fused.conv2d({ x, filter, strides: 1, pad: 'same', activation: 'prelu', preluActivationWeights })];
    }));
});
