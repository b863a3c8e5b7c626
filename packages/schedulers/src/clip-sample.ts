import { ArgumentError, checkAlive, checkRange } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * How a predicted x_0 is kept in range: to [-range, range], or by dynamic thresholding (Saharia et al. 2022, Imagen):
 * to [-s, s] and then divided by s, where s is a quantile of |x_0| of each sample, kept within [1, maximum].
 */
export type Clipping = { readonly range: number } | { readonly quantile: number; readonly maximum: number };

/**
 * Clips a predicted x_0.
 * @param x0 `[N, ...]`. Borrowed. @returns a tensor of its shape. Owned by the caller.
 * @throws {ArgumentError} when the range or the maximum is not positive, or the quantile not in [0, 1].
 */
export function clipSample<X extends Tensor>(x0: X, clipping: Clipping): X {
  checkAlive('clipSample', 'x0', x0);
  if ('range' in clipping) {
    checkPositive('range', clipping.range);
    return tf.clipByValue(x0, -clipping.range, clipping.range);
  }
  checkRange('clipSample', 'quantile', clipping.quantile, 0, 1);
  checkPositive('maximum', clipping.maximum);
  return tf.tidy(() => {
    const limit = tf.minimum(tf.maximum(quantileOfMagnitude(x0, clipping.quantile), 1), clipping.maximum);
    return tf.div(tf.maximum(tf.minimum(x0, limit), tf.neg(limit)), limit);
  });
}

/** The quantile of |x| of each sample, between neighbours linearly, as in torch.quantile. @returns `[N, 1, ...]` */
function quantileOfMagnitude(x: Tensor, quantile: number): Tensor {
  const [batch] = x.shape;
  const size = x.size / batch;
  const rank = quantile * (size - 1); // from the smallest
  const below = Math.floor(rank);
  const count = size - below; // the largest values that topk has to find, in falling order
  const { values } = tf.topk(tf.reshape(tf.abs(x), [batch, size]), count); // [N, count]
  const lower = tf.slice(values, [0, count - 1], [batch, 1]); // [N, 1]
  const upper = tf.slice(values, [0, Math.max(count - 2, 0)], [batch, 1]); // [N, 1]
  const interpolated = tf.add(lower, tf.mul(tf.sub(upper, lower), rank - below));
  return tf.reshape(interpolated, [batch, ...x.shape.slice(1).map(() => 1)]);
}

function checkPositive(argument: string, value: number): void {
  if (!(value > 0)) throw new ArgumentError('clipSample', argument, 'a positive number', value);
}
