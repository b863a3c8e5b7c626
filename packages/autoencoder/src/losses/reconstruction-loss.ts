import { checkShape } from '@sd/core';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type ReconstructionLossOptions = {
  /** `l1`: mean |x - y|, LDM's choice. `l2`: mean (x - y)^2. */
  readonly norm?: 'l1' | 'l2';
};

/**
 * Pixel distance of a reconstruction, averaged over every element.
 * @param x `[N, H, W, C]`. @param reconstruction the same shape. Both borrowed. @returns a scalar. Owned by the caller.
 * @throws {ShapeError}
 */
export function reconstructionLoss(
  x: Tensor4D,
  reconstruction: Tensor4D,
  { norm = 'l1' }: ReconstructionLossOptions = {},
): Scalar {
  checkShape('reconstructionLoss', 'x', x, ['N', 'H', 'W', 'C']);
  checkShape('reconstructionLoss', 'reconstruction', reconstruction, x.shape);
  return tf.tidy(() => {
    const difference = tf.sub(x, reconstruction);
    return tf.mean(norm === 'l1' ? tf.abs(difference) : tf.square(difference));
  });
}
