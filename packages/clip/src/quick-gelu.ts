import { checkAlive } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** OpenAI's approximation of GELU: x sigmoid(1.702 x). @param x any shape. Borrowed. @returns Owned by the caller. */
export function quickGelu<T extends Tensor>(x: T): T {
  checkAlive('quickGelu', 'x', x);
  return tf.tidy(() => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))) as T);
}
