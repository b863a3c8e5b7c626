import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { expectSameAsCpu, randomInput, wasmBackend } from '../compare-with-cpu';
import { registerWasmTrainingKernels } from '../index';

beforeAll(async () => {
  registerWasmTrainingKernels();
  await wasmBackend();
});

const extent = fc.oneof(fc.integer({ min: 1, max: 7 }), fc.constantFrom(16, 21, 150));

test('sum, mean, max and min over any axes equal those of the cpu backend', async () => {
  const cases = fc
    .array(extent, { minLength: 1, maxLength: 5 })
    .filter((shape) => shape.reduce((product, size) => product * size, 1) <= 20_000)
    .chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axes: fc.subarray([...shape.keys()], { minLength: 1 }),
        keepDims: fc.boolean(),
        seed: fc.nat(99),
      }),
    );
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, axes, keepDims, seed }) => {
      await expectSameAsCpu(
        (a) => {
          const x = a as tf.Tensor;
          // Shifted by 2 so that a sum near zero does not decide: errors are relative to the largest result.
          return [
            tf.sum(tf.add(x, 2), axes, keepDims),
            tf.mean(tf.add(x, 2), axes, keepDims),
            tf.max(x, axes, keepDims),
            tf.min(x, axes, keepDims),
          ];
        },
        [randomInput(shape, seed)],
        { label: JSON.stringify({ shape, axes }) },
      );
    }),
    { numRuns: 120, seed: 9 },
  );
});

test('sums of 2^20 floats keep 1e-6 of the float64 sum, over rows and over columns', async () => {
  await wasmBackend();
  const { values } = randomInput([1 << 20], 4);
  const shifted = values.map((v) => v + 1);
  for (const [shape, axis] of [
    [[1 << 20], 0],
    [[1 << 18, 4], 0],
    [[4, 1 << 18], 1],
    [[1 << 14, 64], 0],
  ] as const) {
    const y = tf.tidy(() => tf.sum(tf.tensor(shifted, [...shape]), axis));
    const got = y.dataSync();
    const columns = shape.length === 1 ? 1 : (shape[1 - axis] as number);
    const expected = new Float64Array(columns);
    for (const [i, v] of shifted.entries()) {
      const at = shape.length === 1 ? 0 : axis === 0 ? i % columns : Math.floor(i / (1 << 18));
      expected[at] = (expected[at] as number) + v;
    }
    for (const [i, v] of got.entries()) {
      expect(Math.abs(v - (expected[i] as number)) / (expected[i] as number)).toBeLessThan(1e-6);
    }
    y.dispose();
  }
});

test('max and min let NaN win, as the sum does', async () => {
  await wasmBackend();
  for (const axis of [0, 1]) {
    const [max, sum] = tf.tidy(() => {
      const x = tf.tensor2d([1, 2, 3, 4, Number.NaN, 6, 7, 8, 9], [3, 3]);
      return [tf.max(x, axis), tf.sum(x, axis)] as const;
    });
    expect(Number.isNaN(max.dataSync()[1])).toBe(true);
    expect(Number.isNaN(sum.dataSync()[1])).toBe(true);
    tf.dispose([max, sum]);
  }
});
