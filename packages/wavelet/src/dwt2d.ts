import { checkShape } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { extendToEven } from './extend-to-even';
import { haarDwt2d } from './haar-dwt2d';
import type { Subbands } from './subbands';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';

/**
 * One level of the 2-D discrete wavelet transform of every channel, with PyWavelets' values (`pywt.dwt2`).
 *
 * @param x `[N, H, W, C]`, of any size. Borrowed.
 * @returns four subbands `[N, ceil(H/2), ceil(W/2), C]`. Owned by the caller.
 * @throws {ArgumentError} on an unknown wavelet or mode. @throws {ShapeError}
 */
export function dwt2d(x: Tensor4D, options: WaveletOptions = {}): Subbands {
  const { mode } = checkWaveletOptions('dwt2d', options);
  checkShape('dwt2d', 'x', x, ['N', 'H', 'W', 'C']);
  return tf.tidy(() => haarDwt2d(extendToEven(x, mode)));
}
