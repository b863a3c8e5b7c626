import { useBackend } from '@sd/backend';
import { groupNorm, silu } from '@sd/nn';
import { ADAMW_KERNEL } from '@sd/nn/optim';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';

const webgpu = () => useBackend('webgpu', { allowSoftware: true });

/** What a program of seeded tensors gives on the cpu backend, and on WebGPU with our kernels. */
async function expectSameAsCpu(program: () => tf.Tensor[], leaves = 0): Promise<void> {
  const read = async () => {
    const results = tf.tidy(program);
    const values = await Promise.all(results.map((tensor) => tensor.data()));
    tf.dispose(results);
    return values;
  };
  await useBackend('cpu');
  const expected = await read();
  await webgpu();
  const actual = await expectTensors(leaves, read);
  for (const [i, values] of actual.entries()) expect(values).toBeAllclose(expected[i]!);
}

const random = (shape: number[], seed: number, mean = 0) => tf.randomNormal(shape, mean, 1, 'float32', seed);

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await webgpu();
    await registerWebGPUKernels();
  });

  test('groupNorm with and without SiLU, forward and backward, is the composition', async () => {
    const cases = fc.record({
      n: fc.integer({ min: 1, max: 3 }),
      h: fc.integer({ min: 2, max: 9 }),
      w: fc.integer({ min: 2, max: 9 }),
      groups: fc.integer({ min: 1, max: 5 }),
      width: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(300)),
      withSilu: fc.boolean(),
      seed: fc.integer({ min: 1, max: 99 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, ({ n, h, w, groups, width, withSilu, seed }) => {
        const c = groups * width;
        const f = (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) =>
          groupNorm(x as tf.Tensor4D, scale as tf.Tensor1D, shift as tf.Tensor1D, {
            groups,
            eps: 1e-3,
            silu: withSilu,
          });
        return expectSameAsCpu(() => {
          const inputs = [random([n, h, w, c], seed, 0.5), random([c], seed + 1), random([c], seed + 2)];
          const dy = random([n, h, w, c], seed + 3);
          return [f(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])), ...tf.grads(f)(inputs, dy)];
        });
      }),
      { numRuns: 12 },
    );
  });

  test('silu and its gradient are the composition, far from zero too', () =>
    expectSameAsCpu(() => {
      const x = tf.concat([random([40], 1), tf.tensor1d([-200, -90, -20, 0, 20, 90, 200])]);
      return [silu(x), tf.grad(silu)(x, random([47], 2))];
    }));

  test('AdamW is the composition', () =>
    expectSameAsCpu(() => {
      const [parameter, gradient, expAvg, root] = [1, 2, 3, 4].map((seed) => random([7, 50], seed)) as tf.Tensor[];
      const expAvgSq = tf.square(root!);
      const inputs = { parameter, gradient, expAvg, expAvgSq, gradientScale: tf.scalar(0.5) } as tf.NamedTensorMap;
      const attributes = { decay: 0.99, beta1: 0.9, beta2: 0.95, stepSize: 0.01, denominatorScale: 1.3, eps: 1e-8 };
      if (tf.getBackend() === 'webgpu') return tf.engine().runKernel(ADAMW_KERNEL, inputs, attributes) as tf.Tensor[];
      const g = tf.mul(gradient!, 0.5);
      const m = tf.add(tf.mul(expAvg!, 0.9), tf.mul(g, 0.1));
      const v = tf.add(tf.mul(expAvgSq, 0.95), tf.mul(tf.square(g), 0.05));
      const change = tf.div(tf.mul(m, 0.01), tf.add(tf.mul(tf.sqrt(v), 1.3), 1e-8));
      return [tf.sub(tf.mul(parameter!, 0.99), change), m, v];
    }));

  test('registering again changes nothing', async () => {
    const before = tf.getKernel('Conv2DBackpropFilter', 'webgpu');
    await registerWebGPUKernels();
    expect(tf.getKernel('Conv2DBackpropFilter', 'webgpu')).toBe(before);
  });
});
