import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectSameAsCpu, randomInput, type TestInput, wasmBackend } from '../compare-with-cpu';
import { registerWasmTrainingKernels } from '../index';
import { withoutNativeKernels } from '../native/library';

type Pad = 'same' | 'valid' | number | [[0, 0], [number, number], [number, number], [0, 0]];
type Convolution = {
  n: number;
  h: number;
  w: number;
  inC: number;
  outC: number;
  kh: number;
  kw: number;
  stride: [number, number];
  pad: Pad;
  seed: number;
};

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

const convolution: fc.Arbitrary<Convolution> = fc
  .record({
    n: fc.integer({ min: 1, max: 3 }),
    h: fc.integer({ min: 3, max: 9 }),
    w: fc.integer({ min: 3, max: 9 }),
    inC: fc.oneof(fc.integer({ min: 1, max: 13 }), fc.constantFrom(32, 65)),
    outC: fc.oneof(fc.integer({ min: 1, max: 21 }), fc.constantFrom(32, 65)),
    kh: fc.integer({ min: 1, max: 3 }),
    kw: fc.integer({ min: 1, max: 3 }),
    stride: fc.constantFrom<[number, number]>([1, 1], [2, 2], [1, 2], [3, 1], [3, 3]),
    pad,
    seed: fc.nat(1000),
  })
  // tfjs computes both sizes of the result from the height's when the pad is a number.
  .filter(({ n, h, w, inC, outC, kh, kw }) => n * h * w * inC * outC * kh * kw < 200_000)
  .filter(({ pad, kh, kw, stride }) => typeof pad !== 'number' || (kh === kw && stride[0] === stride[1]));

const inputsOf = ({ n, h, w, inC, outC, kh, kw, seed }: Convolution): TestInput[] => [
  randomInput([n, h, w, inC], seed),
  randomInput([kh, kw, inC, outC], seed + 1),
];

const convolved =
  ({ stride, pad }: Convolution) =>
  (x: tf.Tensor, filter: tf.Tensor) =>
    tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, pad);

/** The result, and the gradients of the sum of its squares. */
function withGradients(x: tf.Tensor, filter: tf.Tensor, c: Convolution): tf.Tensor[] {
  const f = convolved(c);
  return [f(x, filter), ...tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.square(f(a, b))))([x, filter])];
}

describe('conv2d and its gradients equal those of the cpu backend', () => {
  test('over random shapes, strides and pads', async () => {
    await fc.assert(
      fc.asyncProperty(convolution, async (c) => {
        await expectSameAsCpu((x, filter) => withGradients(x as tf.Tensor, filter as tf.Tensor, c), inputsOf(c));
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  test('composed of tfjs kernels too, where the native ones cannot be loaded', async () => {
    // tfjs's own forward kernel errs when a stride is larger than the filter and the pad is 'same'.
    const right = convolution.filter(({ pad, kh, kw, stride: [sh, sw] }) => pad !== 'same' || (kh >= sh && kw >= sw));
    await fc.assert(
      fc.asyncProperty(right, async (c) => {
        await expectSameAsCpu(
          (x, filter) => withoutNativeKernels(() => withGradients(x as tf.Tensor, filter as tf.Tensor, c)),
          inputsOf(c),
        );
      }),
      { numRuns: 30, seed: 8 },
    );
  });

  test('with dilation, forward', async () => {
    for (const dilation of [2, 3]) {
      await expectSameAsCpu(
        (x, filter) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same', 'NHWC', dilation),
        [randomInput([2, 9, 8, 5], 1), randomInput([3, 2, 5, 9], 2)],
      );
    }
  });

  test('with a bias, fused, and the gradient of the bias', async () => {
    for (const [inC, outC] of [
      [3, 8],
      [5, 1],
      [16, 19],
    ] as const) {
      await expectSameAsCpu(
        (...inputs) => {
          const f = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor) =>
            tf.fused.conv2d({
              x: x as tf.Tensor4D,
              filter: filter as tf.Tensor4D,
              bias,
              strides: 1,
              pad: [
                [0, 0],
                [1, 1],
                [1, 1],
                [0, 0],
              ],
            });
          const all = inputs as [tf.Tensor, tf.Tensor, tf.Tensor];
          const squares = (...args: tf.Tensor[]) => tf.sum(tf.square(f(...(args as typeof all))));
          return [f(...all), ...tf.grads(squares)(all)];
        },
        [randomInput([2, 5, 7, inC], 1), randomInput([3, 3, inC, outC], 2), randomInput([outC], 3)],
      );
    }
  });

  test('over long sums: 32 x 32 x 16 products per weight', async () => {
    const x = randomInput([16, 32, 32, 2], 3);
    const inputs = [{ ...x, values: x.values.map((v) => v + 1) }, randomInput([16, 32, 32, 3], 4)]; // a mean, as activations have
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 2, 3] };
    const gradient = (x: tf.Tensor, dy: tf.Tensor) =>
      tf.engine().runKernel('Conv2DBackpropFilter', { x, dy }, attrs) as tf.Tensor;
    await expectSameAsCpu((...args) => gradient(...(args as [tf.Tensor, tf.Tensor])), inputs);
    await expectSameAsCpu(
      (...args) => withoutNativeKernels(() => gradient(...(args as [tf.Tensor, tf.Tensor]))),
      inputs,
    );
  });
});

describe('what the gradients cannot do is refused by name', () => {
  const run = (kernel: string, inputs: Record<string, tf.Tensor>, attrs: tf.NamedAttrMap) => () => {
    try {
      return tf.engine().runKernel(kernel, inputs, attrs);
    } finally {
      tf.dispose(inputs);
    }
  };

  test('channels first', () => {
    const inputs = { x: tf.zeros([1, 3, 4, 4]), dy: tf.zeros([1, 2, 4, 4]) };
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NCHW', filterShape: [1, 1, 3, 2] };
    expect(run('Conv2DBackpropFilter', inputs, attrs)).toThrowErrorMatchingInlineSnapshot(
      `[Error: Conv2DBackpropFilter: dataFormat must be NHWC on the wasm backend, got NCHW]`,
    );
  });

  test('integers', () => {
    const inputs = { dy: tf.zeros([1, 4, 4, 2], 'int32'), filter: tf.zeros([1, 1, 3, 2]) };
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NHWC', inputShape: [1, 4, 4, 3] };
    expect(run('Conv2DBackpropInput', inputs, attrs)).toThrowErrorMatchingInlineSnapshot(
      `[Error: Conv2DBackpropInput: dy must be float32, got int32]`,
    );
  });

  test('a dy of another shape than the result', () => {
    const inputs = { dy: tf.zeros([1, 4, 4, 2]), filter: tf.zeros([3, 3, 3, 2]) };
    const attrs = { strides: 2, pad: 1, dataFormat: 'NHWC', inputShape: [1, 4, 4, 3] };
    expect(run('Conv2DBackpropInput', inputs, attrs)).toThrowErrorMatchingInlineSnapshot(
      `[Error: Conv2DBackpropInput: dy must be [1, 2, 2, 2], got [1, 4, 4, 2]]`,
    );
  });
});
