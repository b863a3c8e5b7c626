import { ArgumentError, checkShape, formatValue, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkInverseSize, type InverseOptions, inverseSize, isInverseSize, type Size } from './inverse-size';
import { checkInvertible } from './subbands';
import { inverseTransform } from './transform';
import type { WaveletCoefficients } from './wavedec2d';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';

/**
 * Inverse of `wavedec2d`, with PyWavelets' values (`pywt.waverec2`).
 *
 * @param coefficients as from `wavedec2d`: the details of each level have the size of the level's approximation.
 * Borrowed.
 * @returns `[N, ...size, C]`, by default with the size of `idwt2d` of the last details. Owned by the caller.
 * @throws {ArgumentError} on an unknown wavelet or mode, or a size that these coefficients cannot come from.
 * @throws {ShapeError}
 */
export function waverec2d(coefficients: WaveletCoefficients, options: InverseOptions = {}): Tensor4D {
  const checked = checkWaveletOptions('waverec2d', options);
  const sizes = levelSizes(coefficients, checked, options.size);
  const { ll, details } = coefficients;
  return tf.tidy(() => {
    let x = tf.clone(ll);
    for (const [i, detail] of details.entries()) x = inverseTransform({ ll: x, ...detail }, checked, sizes[i]);
    return x;
  });
}

/** The size of each level's result: that of the next level's details, which tells where a size was odd. */
function levelSizes({ ll, details }: WaveletCoefficients, options: Required<WaveletOptions>, size?: Size): Size[] {
  checkShape('waverec2d', 'll', ll, ['N', 'H', 'W', 'C']);
  const [n, height, width, c] = ll.shape;
  if (details.length === 0 && size && !(size[0] === height && size[1] === width)) {
    throw new ArgumentError('waverec2d', 'size', `${formatValue([height, width])} without details`, size);
  }
  let [h, w] = [height, width];
  return details.map((detail, i) => {
    for (const [name, band] of [
      ['lh', detail.lh],
      ['hl', detail.hl],
      ['hh', detail.hh],
    ] as const) {
      checkShape('waverec2d', `details[${i}].${name}`, band, [n, h, w, c]);
    }
    checkInvertible('waverec2d', `details[${i}].lh`, detail.lh, options);
    const next = details[i + 1]?.lh;
    let result: Size;
    if (next) {
      checkShape('waverec2d', `details[${i + 1}].lh`, next, [n, 'H', 'W', c]);
      const largest = inverseSize(options, h, w);
      result = [next.shape[1], next.shape[2]];
      if (!isInverseSize(result, largest)) {
        const expected = `[${n}, ${largest.map((l) => `${l - 1} or ${l}`).join(', ')}, ${c}]`;
        throw new ShapeError('waverec2d', `details[${i + 1}].lh`, expected, next.shape);
      }
    } else {
      result = checkInverseSize('waverec2d', size, options, h, w);
    }
    [h, w] = result;
    return result;
  });
}
