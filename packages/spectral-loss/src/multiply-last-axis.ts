import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type ConstantMatrix, transposeMatrix } from './constant-matrix';

/**
 * y[..., l] = sum_k x[..., k] matrix[k, l], with its gradient to x.
 *
 * The constant stands on the right and is never transposed on the device: that is the one form of matMul which runs at
 * full speed on WASM (a batched or transposed one falls back to a naive loop, 10 to 30 times slower). tfjs's own
 * gradient would transpose the constant, hence a custom one, which multiplies by a transpose made on the CPU.
 *
 * @param x `[..., K]`. Borrowed. @param matrix `[K, L]`. @returns `[..., L]`. Owned by the caller.
 */
export function multiplyLastAxis(x: Tensor, matrix: ConstantMatrix): Tensor {
  const { rows, columns, values } = matrix;
  const multiply = tf.customGrad((input: Tensor | tf.GradSaveFunc) => {
    const { shape, size } = input as Tensor;
    const flat = tf.reshape(input as Tensor, [size / rows, rows]);
    const product = tf.matMul(flat, tf.tensor2d(values, [rows, columns]));
    return {
      value: tf.reshape(product, [...shape.slice(0, -1), columns]),
      gradFunc: (dy: Tensor) => multiplyLastAxis(dy, transposeMatrix(matrix)),
    };
  });
  return multiply(x);
}
