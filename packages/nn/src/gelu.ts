import { checkAlive } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Exact GELU: x Phi(x) = x (1 + erf(x / sqrt 2)) / 2, as torch's default. @param x any shape. Borrowed. */
export function gelu<T extends Tensor>(x: T): T {
  checkAlive('gelu', 'x', x);
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))) as T);
}
