import { useBackend } from '@sd/backend';
import { spectralLoss, spectralWeight } from '@sd/spectral-loss';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

const NORMS = ['ortho', 'backward', 'forward'] as const;
const REDUCTIONS = ['mean', 'sum'] as const;

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('the spectral loss and its gradients are those of the cpu backend, whatever sizes, weight and norm', () => {
    const cases = fc.record({
      n: fc.integer({ min: 1, max: 3 }),
      h: fc.integer({ min: 1, max: 9 }),
      w: fc.integer({ min: 1, max: 9 }),
      c: fc.constantFrom(1, 3, 4, 7),
      ofSample: fc.boolean(),
      ofChannel: fc.boolean(),
      norm: fc.constantFrom(...NORMS),
      reduction: fc.constantFrom(...REDUCTIONS),
      seed: fc.integer({ min: 1, max: 99 }),
    });
    return fc.assert(
      fc.asyncProperty(cases, ({ n, h, w, c, ofSample, ofChannel, norm, reduction, seed }) =>
        expectSameAsCpu(() => {
          const weight = random([ofSample ? n : 1, h, w, ofChannel ? c : 1], seed) as tf.Tensor4D;
          const f = (x: tf.Tensor, y: tf.Tensor) =>
            tf.mul(spectralLoss(x as tf.Tensor4D, y as tf.Tensor4D, { weight, norm, reduction }), 3);
          const inputs = [random([n, h, w, c], seed + 1), random([n, h, w, c], seed + 2)];
          return [f(...(inputs as [tf.Tensor, tf.Tensor])), ...tf.grads(f)(inputs)];
        }),
      ),
      { numRuns: 6 },
    );
  });

  test('sums of several workgroups are right, and the same each time', async () => {
    const loss = () => {
      const [x, y, x0] = [1, 2, 3].map((seed) => random([4, 40, 40, 8], seed)) as tf.Tensor4D[];
      return spectralLoss(x!, y!, { weight: spectralWeight(x0!) });
    };
    await expectSameAsCpu(() => [loss()]);
    const [first, second] = [tf.tidy(loss), tf.tidy(loss)];
    expect(await first.data()).toEqual(await second.data());
    tf.dispose([first, second]);
  });
});
