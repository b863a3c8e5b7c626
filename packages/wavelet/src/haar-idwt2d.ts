import { checkShape, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { packedIdwt } from './haar-packed';
import { checkSubbands, type Subbands } from './subbands';

/**
 * Inverse of `haarDwt2d`. For each position of the subbands the block [a b; c d]:
 * a = (ll+lh+hl+hh)/2, b = (ll+lh-hl-hh)/2, c = (ll-lh+hl-hh)/2, d = (ll-lh-hl+hh)/2.
 *
 * @param subbands four tensors `[N, H, W, C]` of one shape. Borrowed.
 * @returns `[N, 2H, 2W, C]`. Owned by the caller.
 * @throws {ShapeError}
 */
export function haarIdwt2d(subbands: Subbands): Tensor4D {
  checkSubbands('haarIdwt2d', subbands);
  const { ll, lh, hl, hh } = subbands;
  return tf.tidy(() => packedIdwt(tf.concat([ll, lh, hl, hh], 3)));
}

/**
 * Inverse of `haarDwt2dPacked`.
 *
 * @param packed `[N, H, W, 4C]`, the channels of LL, LH, HL, HH in turn. Borrowed.
 * @returns `[N, 2H, 2W, C]`. Owned by the caller.
 * @throws {ShapeError}
 */
export function haarIdwt2dPacked(packed: Tensor4D): Tensor4D {
  checkShape('haarIdwt2dPacked', 'packed', packed, ['N', 'H', 'W', '4C']);
  if (packed.shape[3] % 4 !== 0) throw new ShapeError('haarIdwt2dPacked', 'packed', '[N, H, W, 4C]', packed.shape);
  return packedIdwt(packed);
}
