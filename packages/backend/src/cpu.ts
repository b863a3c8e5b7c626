import * as tf from '@tensorflow/tfjs-core';
import type { StartedBackend } from './backend-info';

/** The plain JavaScript backend: the oracle for tiny tests, 0.04 to 1 GFLOP/s. */
export async function startCpu(): Promise<StartedBackend> {
  await import('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  return { name: 'cpu', device: 'plain JavaScript, 1 thread', canTrain: true };
}
