import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { readFeatures } from './feature-rows';

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('readFeatures brings the rows of a tensor, which may be disposed at once, and leaves none', async () => {
    const rows = await expectTensors(0, () => {
      const features = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
      const read = readFeatures(features);
      features.dispose();
      return read;
    });
    expect(rows).toEqual({ count: 2, dimension: 3, values: Float32Array.of(1, 2, 3, 4, 5, 6) });
  });

  test('readFeatures refuses other shapes, what is disposed, and values that are not finite', async () => {
    const gone = tf.zeros([1, 2]) as Tensor2D;
    gone.dispose();
    await expect(readFeatures(gone)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: readFeatures: features must be a tensor that is not disposed, got [1, 2]]`,
    );
    await expect(readFeatures(tf.zeros([2]) as unknown as Tensor2D)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: readFeatures: features must be [N, D], got [2]]`,
    );
    await expect(readFeatures(tf.tensor2d([1, Infinity], [1, 2]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: readFeatures: features[0, 1] must be finite, got Infinity]`,
    );
  });
});
