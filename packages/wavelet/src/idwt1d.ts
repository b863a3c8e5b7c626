import { ArgumentError, checkShape, ShapeError } from '@sd/core';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { alongAxis } from './along-axis';
import { inverseLength } from './band-length';
import type { Bands1d } from './dwt1d';
import { synthesisOperator } from './filter-operators';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';
import { filterLength } from './wavelet-filters';

export type InverseOptions1d = WaveletOptions & {
  /** Length of the result, for signals whose length was odd; by default the largest, which is even. */
  readonly length?: number;
};

/**
 * Inverse of `dwt1d`, with PyWavelets' values (`pywt.idwt`).
 *
 * @param bands two tensors `[N, L', C]` of one shape. Borrowed.
 * @returns `[N, L, C]`, owned by the caller: L is `length`, or 2L' with periodization, else 2L' - f + 2 for filters of
 * length f.
 * @throws {ArgumentError} on an unknown wavelet or mode, or a length that these bands cannot come from.
 * @throws {ShapeError} also on bands shorter than those of one sample.
 */
export function idwt1d({ low, high }: Bands1d, options: InverseOptions1d = {}): Tensor3D {
  const { wavelet, mode } = checkWaveletOptions('idwt1d', options);
  checkShape('idwt1d', 'low', low, ['N', 'L', 'C']);
  checkShape('idwt1d', 'high', high, low.shape);
  const [, bands] = low.shape;
  const largest = inverseLength(bands, filterLength(wavelet), mode);
  if (largest < 2) throw new ShapeError('idwt1d', 'low', `[N, L >= ${bands + 1 - largest / 2}, C]`, low.shape);
  const { length = largest } = options;
  if (length !== largest && length !== largest - 1) {
    throw new ArgumentError('idwt1d', 'length', `${largest - 1} or ${largest}`, length);
  }
  return tf.tidy(() => alongAxis(tf.concat([low, high], 1), synthesisOperator(wavelet, mode, bands, length)));
}
