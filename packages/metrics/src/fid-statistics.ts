import { ArgumentError } from '@sd/core';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { readFeatures } from './feature-rows';
import { FeatureStatistics } from './feature-statistics';
import { checkImageRange } from './image-values';

/** What `fidStatistics` needs of a network: `InceptionV3`, `SqueezeNet`, or any other. */
export type ImageFeatures = {
  /** @param images `[N, H, W, 3]` in [0, 1]. Borrowed. @returns `[N, D]`. Owned by the caller. */
  features(images: Tensor4D): Tensor2D;
};

/**
 * Statistics of the features of a set of images, one batch in memory at a time: two of them make an FID.
 * @param batches tensors `[N, H, W, 3]` in [0, 1], of any sizes. Each is borrowed until the next one is asked for.
 * @throws {ArgumentError} on values outside of [0, 1] and NaN, on features that are not finite, and on fewer than two
 * images. @throws {ShapeError} on other shapes.
 */
export async function fidStatistics(
  batches: Iterable<Tensor4D> | AsyncIterable<Tensor4D>,
  network: ImageFeatures,
): Promise<FeatureStatistics> {
  const statistics = new FeatureStatistics();
  for await (const images of batches) {
    await checkImageRange('fidStatistics', 'images', images);
    const features = network.features(images);
    try {
      statistics.add(await readFeatures(features));
    } finally {
      features.dispose();
    }
  }
  if (statistics.count < 2) throw new ArgumentError('fidStatistics', 'images', 'at least 2', statistics.count);
  return statistics;
}
