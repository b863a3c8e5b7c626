import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test, vi } from 'vitest';
import { registerWasmTrainingKernels } from './index';

test('registering is idempotent, warns of nothing, and comes back after somebody else registered', () => {
  const warn = vi.spyOn(console, 'warn');
  const stock = tf.getKernel('Conv2DBackpropInput', 'wasm');
  registerWasmTrainingKernels();
  const ours = tf.getKernel('Conv2DBackpropInput', 'wasm');
  expect(ours).not.toBe(stock);
  registerWasmTrainingKernels();
  expect(tf.getKernel('Conv2DBackpropInput', 'wasm')).toBe(ours);
  tf.unregisterKernel('Conv2DBackpropInput', 'wasm');
  tf.registerKernel(stock);
  registerWasmTrainingKernels();
  expect(tf.getKernel('Conv2DBackpropInput', 'wasm')).not.toBe(stock);
  expect(warn).not.toHaveBeenCalled();
});
