import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageDataset } from './image-dataset';

/** A dataset and, after it, every image of it mirrored left to right. */
export function withMirrored(dataset: ImageDataset): ImageDataset {
  const { length, size, labels, classNames, groups, captions } = dataset;
  const originals = (indices: ArrayLike<number>) => Array.from(indices, (index) => index % length);
  return {
    description: `${dataset.description}, and mirrored`,
    length: 2 * length,
    size,
    labels: labels && Int32Array.from({ length: 2 * length }, (_, i) => labels[i % length]),
    classNames,
    groups: groups && [...groups, ...groups],
    captions: captions && ((index) => captions(index % length)),
    sourceOf: (index) => (dataset.sourceOf?.(index % length) ?? index % length) + (index < length ? 0 : length),
    prefetch: (indices, key) => dataset.prefetch?.(originals(indices), key),
    close: async () => dataset.close?.(),
    async batch(indices, key) {
      const images = await dataset.batch(originals(indices), key);
      const mirrored = tf.tidy(() => {
        const flags = Array.from(indices, (index) => index >= length);
        const flag = tf.reshape(tf.tensor1d(flags, 'bool'), [flags.length, 1, 1, 1]);
        return tf.where(flag, tf.reverse(images, 2), images) as Tensor4D;
      });
      images.dispose();
      return mirrored;
    },
  };
}
