import { checkShape, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { packedDwt } from './haar-packed';
import type { Subbands } from './subbands';

/**
 * One level of the orthonormal 2-D Haar DWT. For each block [a b; c d]:
 * ll = (a+b+c+d)/2, lh = (a+b-c-d)/2, hl = (a-b+c-d)/2, hh = (a-b-c+d)/2 (lh is PyWavelets' cH, hl its cV).
 * Yang et al. 2023, wavelet gating.
 *
 * @param x `[N, H, W, C]`, H and W even. Borrowed.
 * @returns four subbands `[N, H/2, W/2, C]`. Owned by the caller.
 * @throws {ShapeError}
 */
export function haarDwt2d(x: Tensor4D): Subbands {
  checkEvenImage('haarDwt2d', x);
  return tf.tidy(() => {
    const [ll, lh, hl, hh] = tf.split(packedDwt(x), 4, 3) as Tensor4D[]; // 4 x [N, H/2, W/2, C]
    return { ll, lh, hl, hh };
  });
}

/**
 * The same transform with its subbands along the channels, in the order LL, LH, HL, HH: the form that is gated and
 * mixed by a 1x1 convolution, and the faster one.
 *
 * @param x `[N, H, W, C]`, H and W even. Borrowed.
 * @returns `[N, H/2, W/2, 4C]`. Owned by the caller.
 * @throws {ShapeError}
 */
export function haarDwt2dPacked(x: Tensor4D): Tensor4D {
  checkEvenImage('haarDwt2dPacked', x);
  return packedDwt(x);
}

function checkEvenImage(operation: string, x: Tensor4D): void {
  checkShape(operation, 'x', x, ['N', 'H', 'W', 'C']);
  const [, h, w] = x.shape;
  if (h % 2 !== 0 || w % 2 !== 0) throw new ShapeError(operation, 'x', '[N, even, even, C]', x.shape);
}
