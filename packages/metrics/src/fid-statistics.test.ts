import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { readFeatures } from './feature-rows';
import { featureStatistics } from './feature-statistics';
import { fidStatistics, type ImageFeatures } from './fid-statistics';

/** Mean and mean square of each color. */
const colors: ImageFeatures = {
  features: (images) =>
    tf.tidy(() => tf.concat([tf.mean(images, [1, 2]), tf.mean(tf.square(images), [1, 2])], 1) as Tensor2D),
};
const images = (n: number, seed: number) => tf.randomUniform([n, 4, 5, 3], 0, 1, 'float32', seed) as Tensor4D;

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('batches, at once or as they come, give the statistics of all images, and no tensor is left', async () => {
    const batches = [images(3, 1), images(1, 2), images(4, 3)];
    const all = featureStatistics(await readFeatures(colors.features(tf.concat(batches, 0))));
    async function* arriving() {
      for (const batch of batches) yield batch;
    }
    for (const source of [batches, arriving()]) {
      const found = await expectTensors(0, () => fidStatistics(source, colors));
      expect(found).toMatchObject({ count: 8, dimension: 6 });
      expect(found.mean()).toBeAllclose(all.mean(), 1e-6);
      expect(found.covariance()).toBeAllclose(all.covariance(), 1e-5);
    }
    expect(batches.every(({ isDisposed }) => !isDisposed)).toBe(true);
  });
});

describe('errors', () => {
  test('of images', async () => {
    await expect(fidStatistics([images(1, 1)], colors)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: fidStatistics: images must be at least 2, got 1]`,
    );
    await expect(fidStatistics([], colors)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: fidStatistics: images must be at least 2, got 0]`,
    );
    const bytes = tf.mul<Tensor4D>(images(2, 1), 0.5);
    const wrong = tf.sub<Tensor4D>(tf.mul(tf.onesLike(bytes), 2), 1.5 + 1) as Tensor4D;
    await expect(fidStatistics([bytes, wrong], colors)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: fidStatistics: range of images must be within [0, 1], got [-0.5, -0.5]]`,
    );
  });

  test('of features, which leave no tensor either', async () => {
    const broken: ImageFeatures = { features: () => tf.tensor2d([Number.NaN], [1, 1]) };
    const x = images(2, 1);
    await expectTensors(0, () =>
      expect(fidStatistics([x], broken)).rejects.toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: readFeatures: features[0, 0] must be finite, got NaN]`,
      ),
    );
  });
});
