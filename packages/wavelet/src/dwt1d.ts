import { checkShape, ShapeError } from '@sd/core';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { alongAxis } from './along-axis';
import { analysisOperator } from './filter-operators';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';

/** The two bands of one level of a 1-D transform, of one shape. PyWavelets calls them cA (low) and cD (high). */
export type Bands1d = { low: Tensor3D; high: Tensor3D };

/**
 * One level of the discrete wavelet transform along the middle axis, with PyWavelets' values (`pywt.dwt`).
 *
 * @param x `[N, L, C]`, of any length. Borrowed.
 * @returns two bands `[N, L', C]`, owned by the caller: L' = ceil(L/2) with periodization, else floor((L + f - 1) / 2)
 * for filters of length f.
 * @throws {ArgumentError} on an unknown wavelet or mode. @throws {ShapeError}
 */
export function dwt1d(x: Tensor3D, options: WaveletOptions = {}): Bands1d {
  const { wavelet, mode } = checkWaveletOptions('dwt1d', options);
  checkShape('dwt1d', 'x', x, ['N', 'L', 'C']);
  const [, length] = x.shape;
  if (length === 0) throw new ShapeError('dwt1d', 'x', '[N, L >= 1, C]', x.shape);
  return tf.tidy(() => {
    const [low, high] = tf.split(alongAxis(x, analysisOperator(wavelet, mode, length)), 2, 1) as Tensor3D[];
    return { low, high };
  });
}
