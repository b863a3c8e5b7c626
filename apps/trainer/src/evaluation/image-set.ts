import { createHash } from 'node:crypto';
import { permutation, randomKey } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageDataset } from '../data/image-dataset';

/** Images that are measured, batch by batch. */
export type ImageSet = {
  readonly description: string;
  readonly length: number;
  /** Height and width in pixels. */
  readonly size: number;
  /** `[n, size, size, 3]` in [-1, 1], 8-bit values; each is disposed when the next one is asked for. */
  batches(batchSize: number): AsyncIterable<Tensor4D>;
};

/**
 * `count` images of a dataset in a fixed random order, so that a part of it stands for the whole however its files are
 * sorted.
 */
export function datasetImages(dataset: ImageDataset, count = dataset.length): ImageSet {
  const order = permutation(randomKey(0), dataset.length).subarray(0, count);
  return {
    description: dataset.description,
    length: order.length,
    size: dataset.size,
    async *batches(batchSize) {
      for (let first = 0; first < order.length; first += batchSize) {
        const images = await dataset.batch(order.subarray(first, first + batchSize));
        const bytes = quantized(images);
        images.dispose();
        try {
          yield bytes;
        } finally {
          bytes.dispose();
        }
      }
    },
  };
}

/** The nearest values that an 8-bit picture can hold: sets are compared as files of them would be. @param images borrowed. @returns owned by the caller. */
export function quantized(images: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    const levels = tf.round(tf.mul(tf.add(tf.clipByValue(images, -1, 1), 1), 127.5));
    return tf.sub<Tensor4D>(tf.div(levels, 127.5), 1);
  });
}

/** Images in [-1, 1] as feature networks take them, in [0, 1]. @param images borrowed. @returns owned by the caller. */
export function toUnitRange(images: Tensor4D): Tensor4D {
  return tf.tidy(() => tf.clipByValue(tf.div(tf.add(images, 1), 2), 0, 1) as Tensor4D);
}

/** SHA-256 of a set's pixels: what is the same is known again, wherever it lies and whatever its files are called. */
export async function pixelDigest(set: ImageSet, onProgress: (done: number) => void = () => {}): Promise<string> {
  const hash = createHash('sha256').update(`${set.length} ${set.size} `);
  let done = 0;
  for await (const images of set.batches(64)) {
    const values = await images.data<'float32'>();
    hash.update(Uint8Array.from(values, (value) => Math.round((value + 1) * 127.5)));
    done += images.shape[0];
    onProgress(done);
  }
  return hash.digest('hex');
}
