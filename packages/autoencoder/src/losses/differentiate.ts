import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type Differentiated = {
  /** f(y), as a constant. */
  readonly value: Scalar;
  /** df/dy, as a constant. */
  readonly gradient: Tensor4D;
  /** f(y), through which a later differentiation passes; it takes the gradient that is known already. */
  readonly attached: Scalar;
};

/**
 * f(y) with its gradient at once: tfjs cannot ask for the gradient of a part of a loss while the loss is being
 * differentiated (torch.autograd.grad with retain_graph), and the part is not computed a second time this way.
 *
 * @param y borrowed. @returns tensors owned by the caller.
 */
export function differentiate(f: (y: Tensor4D) => Scalar, y: Tensor4D): Differentiated {
  return tf.tidy(() => {
    const { value, grad: gradient } = tf.valueAndGrad((image) => f(image as Tensor4D))(y);
    const attached = tf.customGrad((_, save) => {
      (save as tf.GradSaveFunc)([gradient]); // outlives this tidy
      return { value: tf.clone(value), gradFunc: (dy: Tensor, [saved]: Tensor[]) => tf.mul(saved, dy) };
    })(y) as Scalar;
    return { value, gradient: gradient as Tensor4D, attached };
  });
}
