import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImage } from './check-image';
import type { Subbands } from './subbands';
import { transform } from './transform';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';

/**
 * One level of the 2-D discrete wavelet transform of every channel, with PyWavelets' values (`pywt.dwt2`).
 *
 * @param x `[N, H, W, C]`, of any size. Borrowed.
 * @returns four subbands `[N, H', W', C]`, owned by the caller: H' = ceil(H/2) with periodization, else
 * floor((H + f - 1) / 2) for filters of length f, and W' likewise.
 * @throws {ArgumentError} on an unknown wavelet or mode. @throws {ShapeError}
 */
export function dwt2d(x: Tensor4D, options: WaveletOptions = {}): Subbands {
  const checked = checkWaveletOptions('dwt2d', options);
  checkImage('dwt2d', x);
  return tf.tidy(() => transform(x, checked));
}
