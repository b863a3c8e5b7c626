import { ArgumentError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImage } from './check-image';
import { maxLevel } from './max-level';
import type { Subbands } from './subbands';
import { transform } from './transform';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';

/** The three subbands of one level that hold detail. */
export type DetailBands = Omit<Subbands, 'll'>;

/** A transform over several levels: what remains of the image, then the details, the coarsest level first. */
export type WaveletCoefficients = { ll: Tensor4D; details: DetailBands[] };

export type DecompositionOptions = WaveletOptions & {
  /**
   * Number of levels, 0 to floor(log2(min(H, W))); by default `maxLevel(min(H, W), wavelet)`, beyond which the borders
   * outweigh the image (PyWavelets warns of it).
   */
  readonly level?: number;
};

/**
 * The 2-D discrete wavelet transform over several levels, with PyWavelets' values (`pywt.wavedec2`).
 *
 * @param x `[N, H, W, C]`, of any size. Borrowed.
 * @returns coefficients, whose `details[0]` has the size of `ll` and whose last has the size of `dwt2d`'s bands of x.
 * Owned by the caller.
 * @throws {ArgumentError} on an unknown wavelet or mode, or a level out of range. @throws {ShapeError}
 */
export function wavedec2d(x: Tensor4D, options: DecompositionOptions = {}): WaveletCoefficients {
  const checked = checkWaveletOptions('wavedec2d', options);
  checkImage('wavedec2d', x);
  const [, h, w] = x.shape;
  const largest = Math.floor(Math.log2(Math.min(h, w)));
  const { level = maxLevel(Math.min(h, w), checked.wavelet) } = options;
  if (!Number.isInteger(level) || level < 0 || level > largest) {
    throw new ArgumentError('wavedec2d', 'level', `an integer from 0 to ${largest} for an image of ${h}x${w}`, level);
  }
  return tf.tidy(() => {
    const details: DetailBands[] = [];
    let ll = tf.clone(x); // a level of 0 returns it
    for (let i = 0; i < level; i++) {
      const { ll: next, ...detail } = transform(ll, checked);
      details.unshift(detail);
      ll = next;
    }
    return { ll, details };
  });
}
