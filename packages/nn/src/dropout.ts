import { checkAlive, checkRange, type RandomKey, uniform } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Dropout: zeroes each value with probability `rate` and scales the others by 1 / (1 - rate). There is no train mode:
 * without a key nothing is dropped.
 *
 * @param x any shape. Borrowed. @param rate in [0, 1). @returns the same shape. Owned by the caller.
 */
export function dropout<T extends Tensor>(x: T, rate: number, key?: RandomKey): T {
  checkAlive('dropout', 'x', x);
  checkRange('dropout', 'rate', rate, 0, 1 - 2 ** -20);
  if (!key || rate === 0) return tf.clone(x);
  return tf.tidy(() => {
    const kept = tf.greaterEqual(uniform(key, x.shape), rate);
    return tf.mul(x, tf.mul(tf.cast(kept, 'float32'), 1 / (1 - rate))) as T;
  });
}
