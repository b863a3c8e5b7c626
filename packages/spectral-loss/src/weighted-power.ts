import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { blockedSum } from './blocked-sum';
import type { ComplexTensor } from './fourier-planes';

/**
 * Sum of w |F|^2, the weight w a constant to differentiation.
 *
 * Its own gradient, 2 w F, for two reasons: the weight may be made of F without being recorded, and the gradient that
 * tfjs makes for a sum is filled on the CPU, which on WASM takes longer than the DFT itself.
 *
 * @param spectrum F, both parts of one shape. Borrowed.
 * @param weigh the weight, of a shape that broadcasts to F's, from `(re, im, ...constants)`. It owns what it makes.
 * @param constants what the weight depends on; their gradient is zero. Borrowed.
 * @returns a scalar. Owned by the caller.
 */
export function weightedPower(
  { re, im }: ComplexTensor,
  weigh: (re: Tensor4D, im: Tensor4D, ...constants: Tensor4D[]) => Tensor,
  constants: readonly Tensor4D[] = [],
): Scalar {
  // The shapes alone: intermediate tensors are gone when gradients are taken, unless saved.
  const shapes = constants.map(({ shape }) => shape);
  const sum = tf.customGrad<Scalar>((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const [a, b, ...rest] = args as Tensor4D[];
    const weight = weigh(a!, b!, ...rest);
    save([a!, b!, weight]);
    return {
      value: blockedSum(tf.mul(tf.add(tf.square(a!), tf.square(b!)), weight)),
      gradFunc: (dy: Scalar, saved: Tensor[]) => {
        const gain = tf.mul(saved[2]!, tf.mul(dy, 2));
        return [tf.mul(saved[0]!, gain), tf.mul(saved[1]!, gain), ...shapes.map((shape) => tf.zeros(shape))];
      },
    };
  });
  return sum(re, im, ...constants);
}
