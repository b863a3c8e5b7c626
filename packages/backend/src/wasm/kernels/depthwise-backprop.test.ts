import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, test } from 'vitest';
import { expectSameAsCpu, randomInput, wasmBackend } from '../compare-with-cpu';
import { registerWasmTrainingKernels } from '../index';

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
