import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { imageGridPng, makeImageGrid } from './image-grid';

/** Rows of [r, g, b] pixels of a PNG. */
async function decoded(png: Buffer): Promise<number[][][]> {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  expect(info.channels).toBe(3);
  const pixel = (x: number, y: number) => [...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3)];
  return Array.from({ length: info.height }, (_, y) => Array.from({ length: info.width }, (_, x) => pixel(x, y)));
}

const WHITE = [255, 255, 255];
const gray = (value: number) => [value, value, value];

/** Images `[N, 1, 2, 3]` of gray pixels. */
const grays = (...pixels: readonly number[]) =>
  tf.tensor4d(
    pixels.flatMap((value) => [value, value, value]),
    [pixels.length / 2, 1, 2, 3],
  );

describeBackends(['cpu', 'wasm'], () => {
  test('three images of 1x2 make two rows of two, with white between them and in the empty cell', async () => {
    const images = tf.tensor4d(
      [
        [
          [
            [-1, 0, 1],
            [-0.2, 0.2, 0.4],
          ],
        ],
        [
          [
            [1, -1, -1],
            [-1, 1, -1],
          ],
        ],
        [
          [
            [-1, -1, 1],
            [0.6, 0.6, 0.6],
          ],
        ],
      ],
      [3, 1, 2, 3],
    );
    const png = await imageGridPng(images, { scale: 1, gap: 1 });
    expect(await decoded(png)).toEqual([
      [[0, 128, 255], [102, 153, 179], WHITE, [255, 0, 0], [0, 255, 0]],
      [WHITE, WHITE, WHITE, WHITE, WHITE],
      [[0, 0, 255], [204, 204, 204], WHITE, WHITE, WHITE],
    ]);
  });

  test('a scale repeats every pixel, a row holds the columns asked for', async () => {
    const png = await imageGridPng(grays(-1, 1, 0.6, -0.6), { columns: 1, scale: 2, gap: 0 });
    const row = (a: number, b: number) => [gray(a), gray(a), gray(b), gray(b)];
    expect(await decoded(png)).toEqual([row(0, 255), row(0, 255), row(204, 51), row(204, 51)]);
  });

  test('values beyond the range are clamped, and what is not a number is black', async () => {
    const images = grays(-7, 7, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN, 1.001);
    const [row] = await decoded(await imageGridPng(images, { columns: 3, scale: 1, gap: 0 }));
    expect(row).toEqual([0, 255, 0, 255, 0, 255].map(gray));
  });

  test('by default the grid is square, a cell about 96 pixels and a gap 4; images stay the caller’s, nothing leaks', async () => {
    const images = tf.zeros([5, 32, 32, 3]) as tf.Tensor4D;
    const { dataUri, ...layout } = await expectTensors(0, () => makeImageGrid(images));
    expect(layout).toEqual({ width: 3 * 96 + 2 * 4, height: 2 * 96 + 4, columns: 3, rows: 2 });
    const [prefix, base64] = dataUri.split(',');
    expect(prefix).toBe('data:image/png;base64');
    const png = Buffer.from(base64, 'base64');
    expect(await sharp(png).metadata()).toMatchObject({ format: 'png', width: layout.width, height: layout.height });
    expect(png.equals(await imageGridPng(images))).toBe(true);
    expect(images.isDisposed).toBe(false);
  });
});

describe('errors', () => {
  test('of gray images and of none', async () => {
    await expect(makeImageGrid(tf.zeros([2, 8, 8, 1]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: imageGrid: images must be [N, H, W, 3], got [2, 8, 8, 1]]`,
    );
    await expect(imageGridPng(tf.zeros([0, 8, 8, 3]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: imageGrid: images must be at least one image, got 0]`,
    );
  });
});
