import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { blockedSum } from './blocked-sum';
import { noise } from './test-values';

// The stock backends, not those of @sd/backend, whose sums on wasm may be better than what users without it have.
describe.each(['cpu', 'wasm'])('stock %s', (name) => {
  beforeAll(async () => {
    if (name === 'wasm') {
      const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))}/`);
    }
    expect(await tf.setBackend(name)).toBe(true);
  });

  test('blockedSum keeps its digits over a quarter of a million terms, and leaves one tensor', async () => {
    const x = tf.fill([4, 64, 64, 16], 0.1);
    const sum = await expectTensors(1, () => blockedSum(x));
    await expect(sum).toBeAllclose([4 * 64 * 64 * 16 * Math.fround(0.1)], 2e-6);
  });

  test('the gradient of blockedSum is that of finite differences; a scalar is its own sum', async () => {
    await expectGradient((x) => blockedSum(tf.square(x)), noise(1, [2, 3, 2, 4]));
    await expect(blockedSum(tf.scalar(3))).toBeAllclose([3]);
  });
});
