import { useBackend } from '@sd/backend';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The names of the kernels that tfjs runs in `fn`, forward and backward, sorted. `fn` runs on the cpu backend, on
 * which it must be cheap; the operations choose the same kernels on every backend.
 */
export async function kernelsUsedBy(fn: () => unknown): Promise<string[]> {
  const before = tf.getBackend();
  await useBackend('cpu');
  const used = new Set<string>();
  const kernels = tf.getKernelsForBackend('cpu');
  const originals = kernels.map(({ kernelFunc }) => kernelFunc);
  for (const kernel of kernels) {
    const { kernelName, kernelFunc } = kernel;
    kernel.kernelFunc = (call) => {
      used.add(kernelName);
      return kernelFunc(call);
    };
  }
  try {
    await fn();
  } finally {
    for (const [index, kernel] of kernels.entries()) kernel.kernelFunc = originals[index]!;
    if (before) await tf.setBackend(before);
  }
  return [...used].sort();
}
