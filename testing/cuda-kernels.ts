import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The kernels that `@tensorflow/tfjs-node-gpu` registers, by running its own registration: to know them needs neither
 * its native part nor CUDA. Sorted.
 */
export function cudaKernels(): string[] {
  const require = createRequire(new URL('../packages/backend/package.json', import.meta.url));
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
  return tf
    .getKernelsForBackend('tensorflow')
    .map(({ kernelName }) => kernelName)
    .sort();
}
