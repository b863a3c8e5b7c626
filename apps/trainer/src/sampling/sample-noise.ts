import { foldIn, normalArray, type RandomKey } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Standard normal noise in which sample i depends on the key and i alone: the same sample comes out whatever it is
 * drawn together with, and models are compared from the same noise.
 *
 * @param first index of the first sample. @returns `[count, ...shape]`. Owned by the caller.
 */
export function sampleNoise(
  key: RandomKey,
  first: number,
  count: number,
  [height, width, channels]: readonly [number, number, number],
): Tensor4D {
  const size = height * width * channels;
  const data = new Float32Array(count * size);
  for (let i = 0; i < count; i++) data.set(normalArray(foldIn(key, first + i), size), i * size);
  return tf.tensor4d(data, [count, height, width, channels]);
}
