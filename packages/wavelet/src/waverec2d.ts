import { ArgumentError, checkShape, formatValue, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { idwt2d } from './idwt2d';
import { checkInverseSize, type InverseOptions, isInverseSize, type Size } from './inverse-size';
import type { WaveletCoefficients } from './wavedec2d';
import { checkWaveletOptions } from './wavelet';

/**
 * Inverse of `wavedec2d`, with PyWavelets' values (`pywt.waverec2`).
 *
 * @param coefficients as from `wavedec2d`: the details of each level have the size of the level's approximation.
 * Borrowed.
 * @returns `[N, 2H, 2W, C]` for last details of `[N, H, W, C]`, or `[N, ...size, C]`. Owned by the caller.
 * @throws {ArgumentError} on an unknown wavelet or mode, or a size that these coefficients cannot come from.
 * @throws {ShapeError}
 */
export function waverec2d(coefficients: WaveletCoefficients, options: InverseOptions = {}): Tensor4D {
  checkWaveletOptions('waverec2d', options);
  const sizes = levelSizes(coefficients, options.size);
  const { ll, details } = coefficients;
  return tf.tidy(() => {
    let x = tf.clone(ll);
    for (const [i, detail] of details.entries()) x = idwt2d({ ll: x, ...detail }, { ...options, size: sizes[i] });
    return x;
  });
}

/** The size of each level's result: that of the next level's details, which tells where a size was odd. */
function levelSizes({ ll, details }: WaveletCoefficients, size?: Size): Size[] {
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
    const next = details[i + 1]?.lh;
    if (next) {
      checkShape('waverec2d', `details[${i + 1}].lh`, next, [n, 'H', 'W', c]);
      if (!isInverseSize(next.shape.slice(1, 3), h, w)) {
        const expected = `[${n}, ${2 * h - 1} or ${2 * h}, ${2 * w - 1} or ${2 * w}, ${c}]`;
        throw new ShapeError('waverec2d', `details[${i + 1}].lh`, expected, next.shape);
      }
    } else if (size) checkInverseSize('waverec2d', size, h, w);
    const result: Size = next ? [next.shape[1], next.shape[2]] : (size ?? [2 * h, 2 * w]);
    [h, w] = result;
    return result;
  });
}
