import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { expectSameAsCpu, randomInput, wasmBackend } from '../compare-with-cpu';
import { registerWasmTrainingKernels } from '../index';

beforeAll(async () => {
  registerWasmTrainingKernels();
  await wasmBackend();
});

const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(63, 64, 65, 257, 300));

test('matMul equals that of the cpu backend over random shapes, batches and transposes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        m: size,
        n: size,
        k: size,
        outer: fc.constantFrom<[number[], number[]]>(
          [[], []],
          [[3], [3]],
          [
            [2, 3],
            [2, 3],
          ],
          [[3], [1]],
          [[1], [2]],
          [[], [2]],
        ),
        transposeA: fc.boolean(),
        transposeB: fc.boolean(),
        seed: fc.nat(1000),
      }),
      async ({ m, n, k, outer, transposeA, transposeB, seed }) => {
        fc.pre(m * n * k < 200_000);
        const a = randomInput([...outer[0], ...(transposeA ? [k, m] : [m, k])], seed);
        const b = randomInput([...outer[1], ...(transposeB ? [n, k] : [k, n])], seed + 1);
        await expectSameAsCpu((a, b) => tf.matMul(a as tf.Tensor, b as tf.Tensor, transposeA, transposeB), [a, b], {
          label: JSON.stringify({ m, n, k, outer, transposeA, transposeB }),
        });
      },
    ),
    { numRuns: 60, seed: 3 },
  );
});

test('matMul repeats the matrices of a batch on both sides, which tfjs itself gets wrong', async () => {
  await wasmBackend();
  const [a, b] = [randomInput([2, 1, 3, 5], 1), randomInput([3, 5, 4], 2)];
  const [broadcast, repeated] = tf.tidy(() => {
    const x = tf.tensor(a.values, [2, 1, 3, 5]);
    const y = tf.tensor(b.values, [3, 5, 4]);
    return [tf.matMul(x, y), tf.matMul(tf.tile(x, [1, 3, 1, 1]), tf.tile(tf.expandDims(y, 0), [2, 1, 1, 1]))] as const;
  });
  expect(broadcast.shape).toEqual([2, 3, 3, 4]);
  expect(broadcast.dataSync()).toEqual(repeated.dataSync());
  tf.dispose([broadcast, repeated]);
});

test('matMul with a bias added equals that of the cpu backend, either side transposed', async () => {
  for (const [transposeA, transposeB] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    const [m, n, k] = [65, 9, 300];
    const a = randomInput(transposeA ? [k, m] : [m, k], 1);
    const b = randomInput(transposeB ? [n, k] : [k, n], 2);
    await expectSameAsCpu(
      (a, b, bias) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias, transposeA, transposeB }),
      [a, b, randomInput([n], 3)],
    );
  }
  const nothing = { shape: [2, 0], values: new Float32Array(0) };
  await expectSameAsCpu(
    (a, bias) => tf.fused.matMul({ a: a as tf.Tensor2D, b: tf.zeros([0, 3]), bias }),
    [nothing, randomInput([3], 4)],
  );
});

test('matMul over no products is zero, and inner sizes must agree', async () => {
  await wasmBackend();
  const y = tf.tidy(() => tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])));
  expect(Array.from(y.dataSync())).toEqual([0, 0, 0, 0, 0, 0]);
  y.dispose();
});
