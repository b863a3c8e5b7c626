import type { NamedAttrMap, NamedTensorMap, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Is a kernel of this name registered for the active backend? */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/**
 * Runs a fused kernel where the active backend has one, else the reference implementation: owners of an operation
 * never import a backend, and backends register kernels under the owner's name (`tf.registerKernel`).
 *
 * Nothing is recorded for differentiation on the kernel's path: call it inside `tf.customGrad`, whose gradient stays
 * with the owner.
 *
 * @param inputs borrowed. @returns tensors owned by the caller.
 */
export function dispatch(
  name: string,
  inputs: NamedTensorMap,
  attributes: NamedAttrMap,
  reference: () => Tensor | Tensor[],
): Tensor[] {
  const outputs = hasKernel(name)
    ? tf.engine().runKernel<Tensor | Tensor[]>(name, inputs, attributes)
    : tf.tidy(reference);
  return Array.isArray(outputs) ? outputs : [outputs];
}
