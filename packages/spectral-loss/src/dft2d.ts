import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages } from './check-images';
import { type ComplexTensor, fourierPlanes, planesToImages } from './fourier-planes';
import { checkNorm, type FftNorm } from './norm';

export type DftOptions = { readonly norm?: FftNorm };

/**
 * 2-D discrete Fourier transform of real images or features, over H and W (torch.fft.fft2):
 *   F[u, v] = scale sum_h sum_w x[h, w] exp(-2 pi i (u h / H + v w / W)),
 * frequencies in the FFT's order, zero first. Any size; by matrix multiplication, O(H W (H + W)) a plane, because tfjs
 * has no gradient of its FFT (and none of its FFTs on WASM). The gradient is exact.
 *
 * @param x `[N, H, W, C]`. Borrowed.
 * @param options.norm where the factor 1/(H W) goes. Default 'ortho'.
 * @returns `{ re, im }`, each `[N, H, W, C]`. Owned by the caller.
 * @throws {ShapeError} on another rank or an empty dimension. @throws {ArgumentError} on another norm or a disposed tensor.
 */
export function dft2d(x: Tensor4D, { norm = 'ortho' }: DftOptions = {}): ComplexTensor {
  checkImages('dft2d', 'x', x);
  checkNorm('dft2d', norm);
  return tf.tidy(() => planesToImages(fourierPlanes(x, { norm, sign: -1 })));
}
