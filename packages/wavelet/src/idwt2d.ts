import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkInverseSize, type InverseOptions } from './inverse-size';
import { checkSubbands, type Subbands } from './subbands';
import { inverseTransform } from './transform';
import { checkWaveletOptions } from './wavelet';

/**
 * Inverse of `dwt2d`, with PyWavelets' values (`pywt.idwt2`).
 *
 * @param subbands four tensors `[N, H', W', C]` of one shape. Borrowed.
 * @returns `[N, H, W, C]`, owned by the caller: H and W are `size`, or 2H' and 2W' with periodization, else
 * 2H' - f + 2 and 2W' - f + 2 for filters of length f.
 * @throws {ArgumentError} on an unknown wavelet or mode, or a size that these subbands cannot come from.
 * @throws {ShapeError} also on subbands smaller than those of one pixel.
 */
export function idwt2d(subbands: Subbands, options: InverseOptions = {}): Tensor4D {
  const checked = checkWaveletOptions('idwt2d', options);
  checkSubbands('idwt2d', subbands, checked);
  const [, h, w] = subbands.ll.shape;
  const size = checkInverseSize('idwt2d', options.size, checked, h, w);
  return tf.tidy(() => inverseTransform(subbands, checked, size));
}
