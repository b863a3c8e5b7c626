import { checkAlive } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * a + b, broadcast as by `tf.add`, which keeps both for the backward pass though it needs their shapes alone: this keeps
 * neither.
 *
 * @param a float32. @param b float32, of a shape that broadcasts with that of `a`. Both borrowed.
 * @returns Owned by the caller.
 */
export function add<T extends Tensor = Tensor>(a: Tensor, b: Tensor): T {
  checkAlive('add', 'a', a);
  checkAlive('add', 'b', b);
  const [shapeA, shapeB] = [a.shape, b.shape];
  const op = tf.customGrad((...args) => {
    const [x, y] = args as Tensor[] as [Tensor, Tensor];
    return { value: tf.add(x, y), gradFunc: (dy: Tensor) => [summedTo(shapeA, dy), summedTo(shapeB, dy)] };
  });
  return op(a, b) as T;
}

/** The sum of a gradient over the axes along which a tensor of this shape was repeated. */
export function summedTo(shape: number[], dy: Tensor): Tensor {
  return tf.tidy(() => {
    const axes = tf.backend_util.getReductionAxes(shape, dy.shape);
    return tf.reshape(axes.length === 0 ? dy : tf.sum(dy, axes), shape);
  });
}
