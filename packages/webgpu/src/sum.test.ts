import { useBackend } from '@sd/backend';
import { normalArray, randomKey } from '@sd/core';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';

/** Sums over `axes` of seeded numbers, in float64. */
function reference(values: Float64Array, shape: readonly number[], axes: readonly number[]): Float64Array {
  const kept = shape.map((dimension, i) => (axes.includes(i) ? 1 : dimension));
  const sums = new Float64Array(kept.reduce((a, b) => a * b, 1));
  for (const [i, value] of values.entries()) {
    let [rest, at, stride] = [i, 0, 1];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const index = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
      if (!axes.includes(axis)) at += index * stride;
      stride *= kept[axis]!;
    }
    sums[at]! += value;
  }
  return sums;
}

async function expectSum(shape: number[], axes: number[], keepDims: boolean, seed: number): Promise<void> {
  const data = new Float32Array(normalArray(randomKey(seed), tf.util.sizeFromShape(shape))).map((value) => value + 1);
  const x = tf.tensor(data, shape);
  const expected = reference(Float64Array.from(data), shape, axes);
  tf.fill([expected.length], Number.NaN).dispose();
  const sums = await expectTensors(1, () => tf.sum(x, axes, keepDims));
  const kept = shape.map((dimension, i) => (axes.includes(i) ? 1 : dimension));
  expect(sums.shape).toEqual(keepDims ? kept : shape.filter((_, i) => !axes.includes(i)));
  expect(await sums.data()).toBeAllclose(expected);
  tf.dispose([x, sums]);
}

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('sums over any axes are those of float64', async () => {
    const cases = fc.array(fc.integer({ min: 1, max: 19 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axes: fc.subarray(
          shape.map((_, i) => i),
          { minLength: 1 },
        ),
        keepDims: fc.boolean(),
        seed: fc.integer({ min: 1, max: 99 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cases, ({ shape, axes, keepDims, seed }) => expectSum(shape, axes, keepDims, seed)),
      { numRuns: 12 },
    );
  });

  test('sums of many rows are, too, in two dispatches; of few in one', async () => {
    await expectSum([3, 4001, 5], [1], false, 1);
    await expectSum([2, 33, 21, 18], [0, 1, 2], false, 2);
    const [many, few] = [tf.ones([4001, 5]), tf.ones([2, 100, 5])];
    expect(await countDispatches(() => tf.sum(many, 0).dispose())).toBe(2);
    expect(await countDispatches(() => tf.sum(few, 1).dispose())).toBe(1);
  });

  test('means over such axes and of whole images are those of float64, large ones in two dispatches', async () => {
    for (const [n, h, w, c] of [
      [2, 3, 5, 4],
      [3, 33, 21, 18],
    ] as const) {
      const data = new Float32Array(normalArray(randomKey(h), n * h * w * c)).map((value) => value + 1);
      const x = tf.tensor4d(data, [n, h, w, c]);
      const means = reference(Float64Array.from(data), x.shape, [1, 2]).map((total) => total / (h * w));
      tf.fill([n * c], Number.NaN).dispose();
      await expect(await expectTensors(1, () => tf.mean(x, [1, 2], true))).toBeAllclose(means);
      await expect(await expectTensors(1, () => tf.avgPool(x, [h, w], 1, 'valid'))).toBeAllclose(means);
      expect(tf.avgPool(x, [h, w], 1, 'valid').shape).toEqual([n, 1, 1, c]);
      expect(await countDispatches(() => tf.avgPool(x, [h, w], 1, 'valid').dispose())).toBe(h * w > 512 ? 2 : 1);
    }
  });

  test('windows that do not cover the image once are left to tfjs', async () => {
    const x = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
    await expect(tf.avgPool(x, 2, 1, 'same')).toBeAllclose([2.5, 3, 3.5, 4]);
    const wide = tf.tensor4d([1, 10, 2, 20, 3, 30, 4, 40], [1, 2, 2, 2]);
    await expect(tf.avgPool(wide, 2, 3, 1, 'floor')).toBeAllclose([1, 10]);
  });

  test('whole numbers are left to tfjs and stay whole', async () => {
    const counts = tf.sum(tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32'), 0);
    expect(counts.dtype).toBe('int32');
    await expect(counts).toBeAllclose([4, 6], 0);
  });
});
