import * as tf from '@tensorflow/tfjs-core';
import type { StartedBackend } from './backend-info';

/** The plain JavaScript backend: the oracle for tiny tests, 0.04 to 1 GFLOP/s. */
export async function startCpu(): Promise<StartedBackend> {
  await import('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  withoutAdvice(() => tf.scalar(0).dispose());
  return { name: 'cpu', device: 'plain JavaScript, 1 thread', canTrain: true };
}

/** On Node the backend's first tensor prints a banner that advises tfjs-node; here cpu was asked for. */
function withoutAdvice(fn: () => void): void {
  const before = tf.env().getBool('PROD');
  tf.env().set('PROD', true);
  fn();
  tf.env().set('PROD', before);
}
