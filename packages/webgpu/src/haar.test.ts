import { useBackend } from '@sd/backend';
import { foldIn, normalArray, randomKey } from '@sd/core';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import { haarDwt2dPacked, haarIdwt2dPacked, WGDown, WGUp } from '@sd/wavelet';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';

const random = (seed: number, name: string, shape: readonly number[]): Tensor => {
  const values = normalArray(foldIn(randomKey(seed), name), tf.util.sizeFromShape([...shape]));
  return tf.tensor(new Float32Array(values), [...shape]);
};

const cases = fc.record({
  n: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 1, max: 7 }),
  w: fc.integer({ min: 1, max: 7 }),
  quarter: fc.constantFrom(1, 2, 5, 9),
  isUp: fc.boolean(),
  gate: fc.constantFrom('channel' as const, 'band' as const),
  fuse: fc.constantFrom('conv' as const, 'sum' as const),
  seed: fc.integer({ min: 1, max: 99 }),
});
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

/** Output, gradient of the input and gradients of the weights of a WGDown or WGUp. */
async function read({ n, h, w, quarter, isUp, gate, fuse, seed }: Case): Promise<ArrayLike<number>[]> {
  const config = { channels: 4 * quarter, gate, fuse, gateHidden: 3 };
  const module = isUp ? new WGUp(config) : new WGDown(config);
  for (const [name, parameter] of module.parameters()) {
    tf.tidy(() => parameter.assign(random(seed, name, parameter.shape)));
  }
  const weights = [...module.parameters().values()].map(({ value }) => value);
  const x = random(seed, 'x', [n, h, w, 4 * quarter]) as Tensor4D;
  if (tf.getBackend() === 'webgpu') poison(n, h, w, quarter);
  const y = module.forward(x);
  const target = random(seed, 'dy', y.shape);
  const loss = (input: Tensor) => tf.sum(tf.mul(module.forward(input as Tensor4D), target)) as tf.Scalar;
  const dx = tf.grad(loss)(x);
  const { value, grads } = tf.variableGrads(() => loss(x), weights);
  const results = [y, dx, ...weights.map(({ name }) => grads[name] as Tensor)];
  const values = await Promise.all(results.map((tensor) => tensor.data()));
  tf.dispose([x, target, value, ...results]);
  module.dispose();
  return values;
}

/** Free memory of the sizes of results is NaN from now on. */
function poison(n: number, h: number, w: number, quarter: number): void {
  const image = n * 4 * Math.ceil(h / 2) * Math.ceil(w / 2) * 4 * quarter;
  tf.dispose([image, image, n * h * w * 4 * quarter, n * 16 * quarter].map((size) => tf.fill([size], Number.NaN)));
}

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('WGDown and WGUp and their gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (drawn) => {
        await useBackend('cpu');
        const expected = await read(drawn);
        await useBackend('webgpu', { allowSoftware: true });
        const actual = await expectTensors(0, () => read(drawn));
        for (const [i, values] of actual.entries()) {
          // a gate's gradient may be a small difference of large sums
          expect(values).toBeAllclose(expected[i]!, i === 0 ? 1e-5 : { of: 'gradient', absolute: 1e-6 });
        }
      }),
      { numRuns: 4 },
    );
  });

  test('the transform of PyWavelets in one dispatch, and the inverse in one', async () => {
    const block = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
    await expect(haarDwt2dPacked(block)).toBeAllclose([5, -2, -1, 0]);
    const x = random(1, 'x', [2, 6, 4, 3]) as Tensor4D;
    const packed = haarDwt2dPacked(x);
    await expect(haarIdwt2dPacked(packed)).toBeAllclose(x);
    await expect(tf.sum(tf.square(packed))).toBeAllclose(tf.sum(tf.square(x)));
    expect(await countDispatches(() => haarDwt2dPacked(x).dispose())).toBe(1);
    expect(await countDispatches(() => haarIdwt2dPacked(packed).dispose())).toBe(1);
  });
});
