import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/**
 * Runs `fn` and asserts that exactly `count` tensors more exist after it than before: what it returns is owned by the
 * caller, and nothing leaks.
 */
export async function expectTensors<T>(count: number, fn: () => T | Promise<T>): Promise<T> {
  const before = tf.memory().numTensors;
  const result = await fn();
  expect(tf.memory().numTensors - before, 'tensors that exist after the call and did not before').toBe(count);
  return result;
}
