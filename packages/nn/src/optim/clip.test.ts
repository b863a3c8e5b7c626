import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { noise } from '../test-values';
import { clipFactor, globalNorm } from './clip';

describeBackends(['cpu', 'wasm'], () => {
  test('globalNorm is the length of all gradients laid end to end, and leaves one tensor', async () => {
    const gradients = [tf.tensor2d([[1, -2]]), tf.scalar(4), tf.tensor1d([0, 2, 0])];
    await expect(await expectTensors(1, () => globalNorm(gradients))).toBeAllclose(5);
    await expect(globalNorm([])).toBeAllclose([0]);
    await expect(globalNorm(new Map([['w', tf.scalar(-3)]]).values())).toBeAllclose(3);
  });

  test('globalNorm keeps its digits over many terms', async () => {
    const gradients = [noise(1, [3, 3, 64, 64]), noise(2, [100_000], 0.1)];
    let squares = 0;
    for (const gradient of gradients) for (const value of await gradient.data()) squares += value * value;
    await expect(globalNorm(gradients)).toBeAllclose(Math.sqrt(squares));
  });

  test('clipFactor brings longer gradients to maxNorm, leaves others alone and leaves one tensor', async () => {
    const norm = tf.scalar(4);
    await expect(await expectTensors(1, () => clipFactor(norm, 1))).toBeAllclose(1 / (4 + 1e-6), 1e-7);
    await expect(clipFactor(tf.scalar(4), 8)).toBeAllclose(1, 0);
    await expect(clipFactor(tf.scalar(0), 0.5)).toBeAllclose(1, 0);
    await expect(clipFactor(tf.scalar(1), 1)).toBeAllclose(1 / (1 + 1e-6), 1e-7);
  });
});

test('maxNorm is positive', () => {
  for (const wrong of [0, -1, Number.NaN]) {
    expect(() => clipFactor(tf.scalar(1), wrong)).toThrowError(
      `clipFactor: maxNorm must be a number > 0, got ${wrong}`,
    );
  }
});
