import { checkShape } from '@sd/core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { summedTo } from './add';

/**
 * x W + b in one kernel. For the backward pass it keeps x and W; `tf.fused.matMul` keeps its result as well.
 *
 * @param x `[rows, in]`. @param weight `[in, out]`. @param bias `[out]`. All borrowed.
 * @returns `[rows, out]`. Owned by the caller.
 * @throws {ShapeError}
 */
export function affine(x: Tensor2D, weight: Tensor2D, bias?: Tensor1D): Tensor2D {
  checkShape('affine', 'x', x, ['rows', 'in']);
  checkShape('affine', 'weight', weight, [x.shape[1], 'out']);
  if (!bias) return tf.matMul(x, weight);
  checkShape('affine', 'bias', bias, [weight.shape[1]]);
  return affineWithGradient(x, weight, bias) as Tensor2D;
}

const affineWithGradient = (...inputs: [Tensor2D, Tensor2D, Tensor1D]): Tensor =>
  tf.customGrad((...args) => {
    const [x, weight, bias] = args as Tensor[] as [Tensor2D, Tensor2D, Tensor1D];
    const save = args[3] as unknown as tf.GradSaveFunc;
    save([x, weight]);
    const gradFunc = (dy: Tensor, [a, b]: Tensor[]) => [
      tf.matMul(dy, b as Tensor, false, true),
      tf.matMul(a as Tensor, dy, true),
      summedTo([dy.shape[1] as number], dy),
    ];
    return { value: tf.fused.matMul({ a: x, b: weight, bias }), gradFunc };
  })(...inputs);
