import type { Tensor4D } from '@tensorflow/tfjs-core';
import { imagePairValues } from './image-values';

/**
 * Peak signal-to-noise ratio 10 log10(1 / MSE) in dB, the mean over pixels and channels, in float64.
 * @param a images in [0, 1], `[N, H, W, C]`. Borrowed. @param b the same shape. Borrowed.
 * @returns `[N]`: one value an image; Infinity for equal images.
 * @throws {ShapeError} on other shapes. @throws {ArgumentError} on values outside of [0, 1].
 */
export async function psnr(a: Tensor4D, b: Tensor4D): Promise<Float64Array> {
  const [n] = a.shape;
  const [x, y] = await imagePairValues('psnr', a, b);
  const size = x.length / n;
  return Float64Array.from({ length: n }, (_, image) => {
    let squares = 0;
    for (let i = image * size; i < (image + 1) * size; i++) squares += (x[i]! - y[i]!) ** 2;
    return 10 * Math.log10(size / squares);
  });
}
