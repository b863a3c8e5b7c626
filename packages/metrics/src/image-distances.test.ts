import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { checkImageRange } from './image-values';
import { psnr } from './psnr';
import { ssim } from './ssim';
import { goldenTensor, goldenValues } from './test-values';

const [x, y] = ['image/x', 'image/y'].map((name) => goldenTensor(name) as Tensor4D) as [Tensor4D, Tensor4D];

test('ssim is that of scipy’s filters, cut as scikit-image does it, and leaves no tensor', async () => {
  const value = await expectTensors(0, () => ssim(x, y));
  expect(value).toBeAllclose(goldenValues('image/ssim'), 1e-12);
});

test('psnr is that of numpy, and leaves no tensor', async () => {
  const value = await expectTensors(0, () => psnr(x, y));
  expect(value).toBeAllclose(goldenValues('image/psnr'), 1e-12);
});

test('both are symmetric; equal images have similarity 1 and an infinite ratio', async () => {
  expect(await ssim(y, x)).toBeAllclose(await ssim(x, y), 1e-12);
  expect(await psnr(y, x)).toEqual(await psnr(x, y));
  expect(await ssim(x, x)).toBeAllclose([1, 1], 1e-12);
  expect([...(await psnr(x, x))]).toEqual([Infinity, Infinity]);
});

test('of two constant images both are what the formula says', async () => {
  const constant = (value: number) => tf.fill([1, 11, 12, 1], value) as Tensor4D;
  const [a, b] = [constant(0.25), constant(0.75)];
  expect(await psnr(a, b)).toBeAllclose([10 * Math.log10(4)], 1e-12);
  const expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25 ** 2 + 0.75 ** 2 + 1e-4);
  expect(await ssim(a, b)).toBeAllclose([expected], 1e-9);
});

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('checkImageRange finds values outside of [0, 1], and NaN among good ones', async () => {
    const images = (...values: number[]) => tf.tensor4d(values, [1, 1, values.length, 1]);
    await expectTensors(1, () => {
      const good = images(0, 0.5, 1, 1.00001);
      return checkImageRange('features', 'images', good);
    });
    await expect(checkImageRange('features', 'images', images(-1, 1))).rejects.toThrow('got [-1, 1]');
    await expect(checkImageRange('features', 'images', images(0, 255))).rejects.toThrow('got [0, 255]');
    await expect(checkImageRange('features', 'images', images(0.5, Number.NaN, 0.2))).rejects.toThrow('got NaN');
  });
});

describe('errors', () => {
  const images = (value: number, shape: number[] = [1, 11, 11, 1]) => tf.fill(shape, value) as tf.Tensor as Tensor4D;

  test('of range', async () => {
    await expect(psnr(images(2), images(1))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: psnr: range of a must be within [0, 1], got [2, 2]]`,
    );
    await expect(ssim(images(1), images(-1))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ssim: range of b must be within [0, 1], got [-1, -1]]`,
    );
    await expect(psnr(images(1), images(Number.NaN))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: psnr: range of b must be within [0, 1], got NaN]`,
    );
  });

  test('of shape', async () => {
    await expect(psnr(images(1), images(1, [1, 11, 12, 1]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: psnr: b must be [1, 11, 11, 1], got [1, 11, 12, 1]]`,
    );
    await expect(ssim(images(1), images(1, [1, 11, 12, 1]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: ssim: b must be [1, 11, 11, 1], got [1, 11, 12, 1]]`,
    );
    await expect(psnr(images(1, [11, 11]), images(1))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: psnr: a must be [N, H, W, C], got [11, 11]]`,
    );
    await expect(ssim(images(1, [0, 11, 11, 1]), images(1))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: ssim: a must be [N, H, W, C] without an empty dimension, got [0, 11, 11, 1]]`,
    );
    await expect(ssim(images(1, [1, 10, 11, 1]), images(1))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: ssim: a must be [N, H, W, C] with H and W at least 11, got [1, 10, 11, 1]]`,
    );
    const gone = images(1);
    gone.dispose();
    await expect(psnr(gone, images(1))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: psnr: a must be a tensor that is not disposed, got [1, 11, 11, 1]]`,
    );
  });
});
