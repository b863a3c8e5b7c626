import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { latentScaleFactor } from './latent-scale-factor';

describeBackends(['cpu', 'wasm'], () => {
  test('is 1 / std over all elements, unbiased as torch.std', async () => {
    const z = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 9], [2, 2, 1, 2]);
    const mean = 37 / 8;
    const variance = [1, 2, 3, 4, 5, 6, 7, 9].reduce((sum, v) => sum + (v - mean) ** 2, 0) / 7;
    expect(await expectTensors(0, () => latentScaleFactor(z))).toBeCloseTo(1 / Math.sqrt(variance), 12);
  });

  test('scaled latents have deviation 1', async () => {
    const z = tf.randomNormal([4, 8, 8, 3], 5, 0.3, 'float32', 1);
    const scaled = tf.mul(z, await latentScaleFactor(z));
    expect(await latentScaleFactor(scaled)).toBeCloseTo(1, 5);
  });

  test('refuses latents that are constant, single, not finite or gone', async () => {
    await expect(latentScaleFactor(tf.ones([4]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: latentScaleFactor: z must be latents with a finite deviation above 0, got 0]`,
    );
    await expect(latentScaleFactor(tf.ones([1]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: latentScaleFactor: z must be latents with a finite deviation above 0, got NaN]`,
    );
    await expect(latentScaleFactor(tf.tensor1d([1, Number.POSITIVE_INFINITY]))).rejects.toThrow('above 0, got NaN');
    const gone = tf.ones([2]);
    gone.dispose();
    await expect(latentScaleFactor(gone)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: latentScaleFactor: z must be a tensor that is not disposed, got [2]]`,
    );
  });
});
