import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { haarIdwt2d } from './haar-idwt2d';
import { checkInverseSize, type InverseOptions } from './inverse-size';
import { checkSubbands, type Subbands } from './subbands';
import { checkWaveletOptions } from './wavelet';

/**
 * Inverse of `dwt2d`, with PyWavelets' values (`pywt.idwt2`).
 *
 * @param subbands four tensors `[N, H, W, C]` of one shape. Borrowed.
 * @returns `[N, 2H, 2W, C]`, or `[N, ...size, C]`. Owned by the caller.
 * @throws {ArgumentError} on an unknown wavelet or mode, or a size that these subbands cannot come from.
 * @throws {ShapeError}
 */
export function idwt2d(subbands: Subbands, options: InverseOptions = {}): Tensor4D {
  checkWaveletOptions('idwt2d', options);
  checkSubbands('idwt2d', subbands);
  const [n, h, w, c] = subbands.ll.shape;
  const { size = [2 * h, 2 * w] } = options;
  checkInverseSize('idwt2d', size, h, w);
  return tf.tidy(() => {
    const x = haarIdwt2d(subbands); // [N, 2H, 2W, C]
    return size[0] === 2 * h && size[1] === 2 * w ? x : tf.slice(x, [0, 0, 0, 0], [n, size[0], size[1], c]);
  });
}
