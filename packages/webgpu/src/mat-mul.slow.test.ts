import { useBackend } from '@sd/backend';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

const size = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(32, 40, 65));
const cases = fc.record({
  m: size,
  n: size,
  k: fc.oneof(size, fc.constant(300)),
  batch: fc.constantFrom([], [3], [2, 2]),
  shared: fc.constantFrom('neither', 'left', 'right'),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  seed: fc.integer({ min: 1, max: 99 }),
});

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('a product of matrices and its gradients are those of the cpu backend', () =>
    fc.assert(
      fc.asyncProperty(cases, ({ m, n, k, batch, shared, transposeA, transposeB, seed }) =>
        expectSameAsCpu(() => {
          const one = batch.map(() => 1);
          const a = random([...(shared === 'left' ? one : batch), ...(transposeA ? [k, m] : [m, k])], seed);
          const b = random([...(shared === 'right' ? one : batch), ...(transposeB ? [n, k] : [k, n])], seed + 1);
          const f = (p: tf.Tensor, q: tf.Tensor) => tf.matMul(p, q, transposeA, transposeB);
          const y = f(a, b);
          if (batch.length > 0 && shared !== 'neither') return [y]; // tfjs has no gradient of a matrix that is repeated
          return [y, ...tf.grads(f as (...tensors: tf.Tensor[]) => tf.Tensor)([a, b], random(y.shape, seed + 2))];
        }),
      ),
      { numRuns: 8 },
    ));

  test('bias and activation are fused into it', () =>
    expectSameAsCpu(() => {
      const [a, b, bias] = [random([7, 20], 1), random([20, 9], 2), random([9], 3)] as const;
      return [
        tf.fused.matMul({ a, b, bias, activation: 'relu' }),
        tf.fused.matMul({ a, b, bias: tf.reshape(bias, [1, 9]), activation: 'sigmoid' }),
        tf.fused.matMul({ a, b, activation: 'elu' }),
      ];
    }));
});
