import { checkShape } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages } from './check-images';
import type { DftOptions } from './dft2d';
import { type ComplexTensor, fourierPlanes, planesToImages } from './fourier-planes';
import { checkNorm } from './norm';

/**
 * Inverse of `dft2d` for the same `norm` (torch.fft.ifft2). The result is complex; for the spectrum of a real image
 * its `im` is zero up to rounding.
 *
 * @param spectrum `{ re, im }`, each `[N, H, W, C]`. Borrowed.
 * @returns `{ re, im }`, each `[N, H, W, C]`. Owned by the caller.
 * @throws {ShapeError} on another rank, or an empty dimension, or parts of different shapes. @throws {ArgumentError} on another norm or a
 * disposed tensor.
 */
export function idft2d(spectrum: ComplexTensor, { norm = 'ortho' }: DftOptions = {}): ComplexTensor {
  const { re, im } = spectrum;
  checkImages('idft2d', 're', re);
  checkShape('idft2d', 'im', im, re.shape);
  checkNorm('idft2d', norm);
  return tf.tidy(() => planesToImages(fourierPlanes(spectrum, { norm, sign: 1 })));
}
