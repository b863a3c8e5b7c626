import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * f(x) as a constant: nothing of it is recorded for differentiation, and the gradient to x is zero (`detach` and
 * `no_grad` in PyTorch; tfjs has neither).
 * @param x Borrowed. @returns f(x). Owned by the caller.
 */
export function withoutGradient<X extends Tensor, Y extends Tensor>(x: X, f: (x: X) => Y): Y {
  const { shape } = x; // not x, which as an intermediate tensor is gone when gradients are taken
  const constant = tf.customGrad<Y>((input: Tensor | tf.GradSaveFunc) => ({
    value: f(input as X),
    gradFunc: () => tf.zeros(shape),
  }));
  return constant(x);
}
