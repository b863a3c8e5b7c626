import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Computes a tensor that counts as a constant in every gradient: nothing inside `compute` is recorded, and the result
 * depends on no input as far as tfjs knows. Operations without a gradient (argMin, bincount) may be used in it.
 *
 * @returns owned by the caller.
 */
export function withoutGradient<T extends Tensor>(compute: () => T): T {
  return tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))() as T;
}

/** sg[x]: the value of x as a constant. @param x borrowed. @returns owned by the caller. */
export function stopGradient<T extends Tensor>(x: T): T {
  return withoutGradient(() => tf.clone(x));
}

/**
 * The straight-through estimator (van den Oord et al. 2017): the value of `quantized`, with the gradient of the identity
 * by `x`. LDM writes x + sg[quantized - x], which rounds; this is `quantized` to the bit.
 *
 * @param x any shape. @param quantized the same shape. Both borrowed. @returns the same shape. Owned by the caller.
 */
export function straightThrough<T extends Tensor>(x: T, quantized: T): T {
  return tf.customGrad(() => ({ value: tf.clone(quantized), gradFunc: (dy: Tensor) => tf.clone(dy) }))(x) as T;
}
