import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectSameAsCpu, randomIndices, randomInput, type TestInput, wasmBackend } from '../compare-with-cpu';
import { registerWasmTrainingKernels } from '../index';

beforeAll(async () => {
  registerWasmTrainingKernels();
  await wasmBackend();
});

const extent = fc.oneof(fc.integer({ min: 1, max: 7 }), fc.constantFrom(16, 19, 33));
const shapeOf = (minRank: number, maxRank: number) =>
  fc
    .array(extent, { minLength: minRank, maxLength: maxRank })
    .filter((shape) => shape.reduce((product, size) => product * size, 1) <= 4000);

/** The same values as float32 and as int32. */
const both = (shape: readonly number[], seed: number): TestInput[] => [
  randomInput(shape, seed),
  randomIndices(shape, 1000, seed),
];

const options = { numRuns: 60, seed: 5 };

describe('tensors are moved as on the cpu backend', () => {
  test('transpose by any permutation', async () => {
    const permuted = shapeOf(1, 6).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        perm: fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
        seed: fc.nat(99),
      }),
    );
    await fc.assert(
      fc.asyncProperty(permuted, async ({ shape, perm, seed }) => {
        await expectSameAsCpu(
          (a, b) => [tf.transpose(a as tf.Tensor, perm), tf.transpose(b as tf.Tensor, perm)],
          both(shape, seed),
        );
      }),
      { ...options, numRuns: 100 },
    );
  });

  test('slice, and split along any axis', async () => {
    const sliced = shapeOf(1, 5).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        parts: fc.tuple(...shape.map((size) => fc.tuple(fc.nat(size - 1), fc.integer({ min: 1, max: size })))),
        axis: fc.nat(shape.length - 1),
        cut: fc.nat(40),
      }),
    );
    await fc.assert(
      fc.asyncProperty(sliced, async ({ shape, parts, axis, cut }) => {
        const begin = parts.map(([from]) => from);
        const size = parts.map(([from, count], d) => Math.min(count, (shape[d] as number) - from));
        const whole = shape[axis] as number;
        const sizes = cut % (whole + 1) === 0 ? [whole] : [cut % (whole + 1), whole - (cut % (whole + 1))];
        await expectSameAsCpu(
          (a, b) => [
            tf.slice(a as tf.Tensor, begin, size),
            tf.slice(b as tf.Tensor, begin, size),
            ...tf.split(a as tf.Tensor, sizes, axis),
          ],
          both(shape, cut),
        );
      }),
      options,
    );
  });

  test('concat, stack and unstack along any axis', async () => {
    const joined = shapeOf(1, 4).chain((shape) =>
      fc.record({ shape: fc.constant(shape), axis: fc.nat(shape.length - 1), other: fc.integer({ min: 1, max: 9 }) }),
    );
    await fc.assert(
      fc.asyncProperty(joined, async ({ shape, axis, other }) => {
        const second = shape.map((size, d) => (d === axis ? other : size));
        await expectSameAsCpu(
          (a, b, c) => [
            tf.concat([a as tf.Tensor, b as tf.Tensor], axis),
            tf.stack([a as tf.Tensor, c as tf.Tensor, a as tf.Tensor], axis),
            tf.stack([a as tf.Tensor], axis),
            ...tf.unstack(a as tf.Tensor, axis),
          ],
          [randomInput(shape, 1), randomInput(second, 2), randomInput(shape, 3)],
        );
      }),
      options,
    );
  });

  test('tile, broadcastTo and reverse', async () => {
    const tiled = shapeOf(1, 4).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        reps: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: shape.length, maxLength: shape.length }),
        axes: fc.subarray([...shape.keys()]),
      }),
    );
    await fc.assert(
      fc.asyncProperty(tiled, async ({ shape, reps, axes }) => {
        await expectSameAsCpu(
          (a, b) => [
            tf.tile(a as tf.Tensor, reps),
            tf.reverse(b as tf.Tensor, axes),
            tf.broadcastTo(a as tf.Tensor, [2, ...shape]),
          ],
          both(shape, 1),
        );
      }),
      options,
    );
  });

  test('depthToSpace', async () => {
    for (const [h, w, block, channels] of [
      [3, 2, 2, 1],
      [2, 5, 3, 4],
      [4, 4, 2, 17],
    ] as const) {
      await expectSameAsCpu(
        (x) => tf.depthToSpace(x as tf.Tensor4D, block),
        [randomInput([2, h, w, block * block * channels], h)],
      );
    }
  });

  test('gather and its gradient along any axis', async () => {
    const gathered = shapeOf(1, 4).chain((shape) =>
      fc.record({ shape: fc.constant(shape), axis: fc.nat(shape.length - 1), count: fc.integer({ min: 1, max: 9 }) }),
    );
    await fc.assert(
      fc.asyncProperty(gathered, async ({ shape, axis, count }) => {
        await expectSameAsCpu(
          (x, indices) => {
            const f = (a: tf.Tensor) => tf.sum(tf.square(tf.gather(a, indices as tf.Tensor1D, axis)));
            return [tf.gather(x as tf.Tensor, indices as tf.Tensor1D, axis), tf.grad(f)(x as tf.Tensor)];
          },
          [randomInput(shape, count), randomIndices([count], shape[axis] as number, count)],
        );
      }),
      options,
    );
  });

  test('gather names an index that is out of range', async () => {
    await wasmBackend();
    const x = tf.ones([3, 2]);
    expect(() => tf.tidy(() => tf.gather(x, tf.tensor1d([0, 3], 'int32')))).toThrowErrorMatchingInlineSnapshot(
      `[Error: GatherV2: the index value 3 is not in [0, 2]]`,
    );
    x.dispose();
  });

  test('unsortedSegmentSum drops rows of segments that do not exist', async () => {
    await wasmBackend();
    const x = [
      [1, 2],
      [3, 4],
      [5, 6],
    ];
    const y = tf.tidy(() => tf.unsortedSegmentSum(tf.tensor2d(x), tf.tensor1d([1, -1, 7], 'int32'), 3));
    expect(Array.from(y.dataSync())).toEqual([0, 0, 1, 2, 0, 0]);
    y.dispose();
  });

  test('resizeNearestNeighbor and its gradient, for whole and broken scales', async () => {
    const resized = fc.record({
      h: fc.integer({ min: 1, max: 6 }),
      w: fc.integer({ min: 1, max: 6 }),
      height: fc.integer({ min: 1, max: 13 }),
      width: fc.integer({ min: 1, max: 13 }),
      channels: fc.integer({ min: 1, max: 9 }),
      alignCorners: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(resized, async ({ h, w, height, width, channels, alignCorners }) => {
        fc.pre(!alignCorners || (h > 1 && w > 1)); // the cpu backend's gradient would loop for ever
        await expectSameAsCpu(
          (x) => {
            const f = (a: tf.Tensor) => tf.image.resizeNearestNeighbor(a as tf.Tensor4D, [height, width], alignCorners);
            return [f(x as tf.Tensor), tf.grad((a) => tf.sum(tf.square(f(a))))(x as tf.Tensor)];
          },
          [randomInput([1, h, w, channels], h * 7 + w)],
        );
      }),
      options,
    );
  });

  test('the gradient of resizeNearestNeighbor takes each image of a batch by itself, which the cpu backend does not', async () => {
    await wasmBackend();
    const { values } = randomInput([2, 3, 5, 2], 6);
    const gradient = (n: number, from: number) =>
      tf.grad((a) => tf.sum(tf.square(tf.image.resizeNearestNeighbor(a as tf.Tensor4D, [7, 9]))))(
        tf.tensor(values.slice(30 * from, 30 * (from + n)), [n, 3, 5, 2]),
      );
    const [whole, parts] = tf.tidy(() => [gradient(2, 0), tf.concat([gradient(1, 0), gradient(1, 1)])] as const);
    expect(whole.dataSync()).toEqual(parts.dataSync());
    expect(whole.dataSync().every((v) => v !== 0)).toBe(true);
    tf.dispose([whole, parts]);
  });

  test('where chooses element by element', async () => {
    for (const shape of [[1], [7], [3, 5], [2, 3, 4, 5]]) {
      const [a, b] = [randomInput(shape, 1), randomInput(shape, 2)];
      await expectSameAsCpu(
        (x, y) => tf.where(tf.greater(x as tf.Tensor, y as tf.Tensor), x as tf.Tensor, tf.mul(y as tf.Tensor, 10)),
        [a, b],
      );
    }
  });
});
