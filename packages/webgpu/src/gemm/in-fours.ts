import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs a convolution on operands whose channels at an axis were filled up with zeros to a multiple of four: values are
 * gathered in fours, since one by one is slow, and slow to compile.
 */
export function inFours<T>(
  operands: readonly (readonly [tensor: TensorInfo, axis: number])[],
  run: (...tensors: TensorInfo[]) => T,
): T {
  const filled = operands.map(([tensor, axis]) => {
    const missing = -(tensor.shape[axis] as number) & 3;
    if (missing === 0) return null;
    const widths = tensor.shape.map((_, i): [number, number] => [0, i === axis ? missing : 0]);
    return tf.pad(asTensor(tensor), widths);
  });
  const result = run(...operands.map(([tensor], i) => filled[i] ?? tensor));
  for (const tensor of filled) tensor?.dispose();
  return result;
}

/** The tensor that an input of a kernel is when the engine calls the kernel. */
const asTensor = (info: TensorInfo): tf.Tensor =>
  info instanceof tf.Tensor ? info : tf.engine().makeTensorFromTensorInfo(info);
