import { useBackend } from '@sd/backend';
import { upsampledConv2d } from '@sd/nn';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

const cases = fc.record({
  n: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 1, max: 7 }),
  w: fc.integer({ min: 1, max: 7 }),
  inC: fc.constantFrom(1, 3, 4, 40),
  outC: fc.constantFrom(1, 3, 4, 36),
  bias: fc.boolean(),
  seed: fc.integer({ min: 1, max: 99 }),
});

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('a convolution of an upsampled image and its gradients are those of the cpu backend, whatever the size', () =>
    fc.assert(
      fc.asyncProperty(cases, ({ n, h, w, inC, outC, bias, seed }) =>
        expectSameAsCpu(() => {
          const f = (...[x, filter, shift]: tf.Tensor[]) =>
            upsampledConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, shift as tf.Tensor1D | undefined);
          const inputs = [random([n, h, w, inC], seed), random([3, 3, inC, outC], seed + 1)];
          if (bias) inputs.push(random([outC], seed + 2));
          return [f(...inputs), ...tf.grads(f)(inputs, random([n, 2 * h, 2 * w, outC], seed + 3))];
        }),
      ),
      { numRuns: 3 },
    ));
});
