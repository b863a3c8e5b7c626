import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Sum of all elements, one axis at a time: tfjs adds one by one in float32, which loses digits over the millions of
 * terms of a spectrum, but not over the few hundred of an axis.
 * @param x any shape. Borrowed. @returns a scalar. Owned by the caller.
 */
export function blockedSum(x: Tensor): Scalar {
  return tf.tidy(() => {
    let sum = tf.clone(x);
    while (sum.rank > 0) sum = tf.sum(sum, sum.rank - 1);
    return sum as Scalar;
  });
}
