import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageDataset } from './image-dataset';

/** A dataset and, after it, every image of it mirrored left to right. */
export function withMirrored(dataset: ImageDataset): ImageDataset {
  const { length, size } = dataset;
  return {
    description: `${dataset.description}, and mirrored`,
    length: 2 * length,
    size,
    async batch(indices) {
      const images = await dataset.batch(Array.from(indices, (index) => index % length));
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
