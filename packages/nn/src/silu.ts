import { checkAlive, dispatch } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Kernel names that a backend may register: `SiLU` {x} -> y, and `SiLUGrad` {x, dy} -> dx. */
export const SILU_KERNEL = 'SiLU';
export const SILU_GRAD_KERNEL = 'SiLUGrad';

/** SiLU: x sigmoid(x). @param x any shape. Borrowed. @returns the same shape. Owned by the caller. */
export function silu<T extends Tensor>(x: T): T {
  checkAlive('silu', 'x', x);
  return siluWithGradient(x) as T;
}

const siluWithGradient = (input: Tensor): Tensor =>
  tf.customGrad((x, save) => {
    const inputTensor = x as Tensor;
    (save as tf.GradSaveFunc)([inputTensor]);
    const [value] = dispatch(SILU_KERNEL, { x: inputTensor }, {}, () => tf.mul(inputTensor, tf.sigmoid(inputTensor)));
    return { value, gradFunc: (dy: Tensor, [saved]: Tensor[]) => siluGradient(saved, dy) };
  })(input);

/** d/dx of x s(x) is s + x s (1 - s) = s (1 + x (1 - s)), s = sigmoid(x). */
export function siluGradient(x: Tensor, dy: Tensor): Tensor {
  const [dx] = dispatch(SILU_GRAD_KERNEL, { x, dy }, {}, () => {
    const s = tf.sigmoid(x);
    return tf.mul(dy, tf.mul(s, tf.add(1, tf.mul(x, tf.sub(1, s)))));
  });
  return dx;
}
