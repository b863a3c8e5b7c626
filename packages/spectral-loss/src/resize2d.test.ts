import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { RESIZE_METHODS, type ResizeMethod } from './resize-matrix';
import { resize2d } from './resize2d';
import { goldenImages, noise } from './test-values';

const METHODS = RESIZE_METHODS as readonly ResizeMethod[];

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  const cases: [ResizeMethod, string, [number, number]][] = [
    ['bilinear', 'bilinear_12x16', [12, 16]],
    ['bilinear', 'bilinear_3x4', [3, 4]],
    ['bilinear', 'bilinear_5x5', [5, 5]],
    ['nearest', 'nearest_12x16', [12, 16]],
    ['nearest', 'nearest_3x4', [3, 4]],
    ['nearest', 'nearest_5x5', [5, 5]],
    ['area', 'area_12x16', [12, 16]],
    ['area', 'area_3x4', [3, 4]],
    ['area', 'area_5x5', [5, 5]],
    ['bilinear-antialias', 'bilinear_antialias_3x4', [3, 4]],
  ];
  test.each(cases)('resize2d %s matches torch at %s and leaves one tensor', async (method, name, size) => {
    const x = goldenImages('resize/x');
    const y = await expectTensors(1, () => resize2d(x, { size, method }));
    await expect(y).toBeAllclose(goldenImages(`resize/${name}`));
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test.each(METHODS)('%s keeps a constant, at any size, from and to one pixel', async (method) => {
    for (const [from, to] of [
      [
        [6, 9],
        [4, 21],
      ],
      [
        [1, 5],
        [3, 1],
      ],
      [
        [1, 1],
        [2, 3],
      ],
    ] as const) {
      const y = resize2d(tf.fill([1, ...from, 2], 3), { size: to, method });
      await expect(y).toBeAllclose(tf.fill([1, ...to, 2], 3));
    }
  });

  test.each(METHODS)('%s to the same size is the identity, and a tensor of its own', async (method) => {
    const x = noise(1, [1, 5, 4, 2]);
    const y = await expectTensors(1, () => resize2d(x, { size: [5, 4], method }));
    x.dispose();
    await expect(y).toBeAllclose(noise(1, [1, 5, 4, 2]));
  });

  test('antialias weights every pixel by a triangle of the output pitch, at broken ratios too', async () => {
    for (const [from, to] of [
      [7, 3],
      [10, 4],
      [9, 8],
      [11, 2],
    ] as const) {
      const y = resize2d(tf.reshape(tf.eye(from), [1, from, from, 1]) as Tensor4D, {
        size: [from, to],
        method: 'bilinear-antialias',
      });
      const expected = Array.from({ length: to }, (_, i) => {
        const weights = Array.from({ length: from }, (_, j) =>
          Math.max(0, 1 - Math.abs((j + 0.5) * (to / from) - (i + 0.5))),
        );
        const sum = weights.reduce((a, b) => a + b);
        return weights.map((weight) => weight / sum);
      });
      await expect(tf.transpose(tf.reshape(y, [from, to]))).toBeAllclose(expected);
    }
  });

  test('a triangle that shrinks a ramp with antialias keeps its slope', async () => {
    const ramp = tf.reshape(tf.range(0, 32), [1, 1, 32, 1]) as Tensor4D;
    const y = resize2d(ramp, { size: [1, 8], method: 'bilinear-antialias' });
    // Inner output centers lie at 4 i + 1.5 samples; the border's triangles are cut off.
    await expect(tf.slice(tf.reshape(y, [-1]), [1], [6])).toBeAllclose([5.5, 9.5, 13.5, 17.5, 21.5, 25.5]);
  });

  test.each(METHODS)('the gradient of %s is that of finite differences', async (method) => {
    const x = noise(2, [1, 4, 4, 2]);
    await expectGradient((a) => resize2d(a as Tensor4D, { size: [3, 7], method }), x);
  });
});

describe('errors', () => {
  const x = tf.zeros([1, 4, 4, 1]) as Tensor4D;
  test('of shape, size and method', () => {
    expect(() => resize2d(tf.zeros([4]) as unknown as Tensor4D, { size: [2, 2] })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: resize2d: x must be [N, H, W, C], got [4]]`,
    );
    expect(() => resize2d(x, { size: [0, 2] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: resize2d: size[0] must be an integer >= 1, got 0]`,
    );
    expect(() => resize2d(x, { size: [2, 2.5] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: resize2d: size[1] must be an integer >= 1, got 2.5]`,
    );
    expect(() => resize2d(x, { size: [2, 2], method: 'bicubic' as ResizeMethod })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: resize2d: method must be one of nearest, bilinear, area, bilinear-antialias, got "bicubic"]`,
    );
  });
});
