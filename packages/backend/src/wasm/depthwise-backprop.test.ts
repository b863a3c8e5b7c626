import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { expectSameAsCpu, randomIndices, randomInput, wasmBackend } from './compare-with-cpu';
import { registerWasmTrainingKernels } from './index';

beforeAll(async () => {
  registerWasmTrainingKernels();
  await wasmBackend();
});

const depthwise = fc.record({
  n: fc.integer({ min: 1, max: 2 }),
  h: fc.integer({ min: 3, max: 8 }),
  w: fc.integer({ min: 3, max: 8 }),
  channels: fc.integer({ min: 1, max: 9 }),
  multiplier: fc.integer({ min: 1, max: 3 }),
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.constantFrom(1, 2),
  pad: fc.constantFrom<'same' | 'valid'>('same', 'valid'),
  seed: fc.nat(1000),
});

test('gradients of depthwiseConv2d equal those of the cpu backend over random shapes', async () => {
  await fc.assert(
    fc.asyncProperty(depthwise, async ({ n, h, w, channels, multiplier, kernel, stride, pad, seed }) => {
      await expectSameAsCpu(
        (x, filter) => {
          const f = (a: tf.Tensor, b: tf.Tensor) =>
            tf.sum(tf.square(tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, stride, pad)));
          return tf.grads(f)([x as tf.Tensor, filter as tf.Tensor]);
        },
        [randomInput([n, h, w, channels], seed), randomInput([kernel, kernel, channels, multiplier], seed + 1)],
      );
    }),
    { numRuns: 40, seed: 11 },
  );
});

test('the gradient of gather adds the rows of repeated indices', async () => {
  for (const [axis, shape] of [
    [0, [5, 7]],
    [1, [3, 5, 4]],
    [2, [2, 3, 5]],
  ] as const) {
    await expectSameAsCpu(
      (x, indices) => tf.grad((a) => tf.sum(tf.square(tf.gather(a, indices as tf.Tensor1D, axis))))(x as tf.Tensor),
      [randomInput(shape, axis), randomIndices([9], 5, axis)],
    );
  }
});

test('unsortedSegmentSum drops rows of segments that do not exist', async () => {
  await wasmBackend();
  const y = tf.tidy(() =>
    tf.unsortedSegmentSum(
      tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
      tf.tensor1d([1, -1, 7], 'int32'),
      3,
    ),
  );
  expect(Array.from(y.dataSync())).toEqual([0, 0, 1, 2, 0, 0]);
  y.dispose();
});
