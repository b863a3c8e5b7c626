import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectSameAsCpu, randomInput, wasmBackend } from './compare-with-cpu';
import { registerWasmTrainingKernels } from './index';

type Pad = 'same' | 'valid' | number | [[0, 0], [number, number], [number, number], [0, 0]];

beforeAll(async () => {
  registerWasmTrainingKernels();
  await wasmBackend();
});

const pad: fc.Arbitrary<Pad> = fc.oneof(
  fc.constant<Pad>('same'),
  fc.constant<Pad>('valid'),
  fc.integer({ min: 0, max: 2 }),
  fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)).map(
    ([t, b, l, r]): Pad => [
      [0, 0],
      [t, b],
      [l, r],
      [0, 0],
    ],
  ),
);

const convolution = fc.record({
  n: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 3, max: 9 }),
  w: fc.integer({ min: 3, max: 9 }),
  inC: fc.integer({ min: 1, max: 13 }),
  outC: fc.integer({ min: 1, max: 21 }),
  kh: fc.integer({ min: 1, max: 3 }),
  kw: fc.integer({ min: 1, max: 3 }),
  stride: fc.constantFrom<[number, number]>([1, 1], [2, 2], [1, 2], [3, 1], [3, 3]),
  pad,
  seed: fc.nat(1000),
});

describe('gradients of conv2d equal those of the cpu backend', () => {
  test('over random shapes, strides and pads', async () => {
    await fc.assert(
      fc.asyncProperty(convolution, async ({ n, h, w, inC, outC, kh, kw, stride, pad, seed }) => {
        // tfjs computes both sizes of the result from the height's when the pad is a number.
        fc.pre(typeof pad !== 'number' || (kh === kw && stride[0] === stride[1]));
        // tfjs's own forward kernel errs when a stride is larger than the filter and the pad is 'same'.
        fc.pre(pad !== 'same' || (kh >= stride[0] && kw >= stride[1]));
        const x = randomInput([n, h, w, inC], seed);
        const filter = randomInput([kh, kw, inC, outC], seed + 1);
        await expectSameAsCpu(
          (x, filter) => {
            const f = (a: tf.Tensor, b: tf.Tensor) =>
              tf.sum(tf.square(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, stride, pad)));
            return tf.grads(f)([x as tf.Tensor, filter as tf.Tensor]);
          },
          [x, filter],
        );
      }),
      { numRuns: 60, seed: 7 },
    );
  });
  test('over long sums: 32 x 32 x 16 products per weight', async () => {
    const x = randomInput([16, 32, 32, 2], 3);
    const dy = randomInput([16, 32, 32, 3], 4);
    const offset = { ...x, values: x.values.map((v) => v + 1) }; // a mean, as activations have
    await expectSameAsCpu(
      (x, dy) =>
        tf
          .engine()
          .runKernel(
            'Conv2DBackpropFilter',
            { x: x as tf.Tensor, dy: dy as tf.Tensor },
            { strides: 1, pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 2, 3] },
          ) as tf.Tensor,
      [offset, dy],
    );
  });
  test('and channels-first tensors are refused by name', () => {
    const inputs = { x: tf.zeros([1, 3, 4, 4]), dy: tf.zeros([1, 2, 4, 4]) };
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NCHW', filterShape: [1, 1, 3, 2] };
    expect(() => tf.engine().runKernel('Conv2DBackpropFilter', inputs, attrs)).toThrowErrorMatchingInlineSnapshot(
      `[Error: Conv2DBackpropFilter: dataFormat must be NHWC on the wasm backend, got NCHW]`,
    );
    tf.dispose(inputs);
  });
});
