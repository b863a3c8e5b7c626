import { normal, randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { SpatialTransformer } from './spatial-transformer';
import { randomize } from './testing/randomize';

const config = { channels: 4, heads: 2, groups: 2, depth: 1, contextDim: 3 };
const x = () => normal(randomKey(1), [2, 2, 3, 4]) as tf.Tensor4D;
const context = () => normal(randomKey(2), [2, 6, 3]) as tf.Tensor3D;

describeBackends(['cpu', 'wasm'], () => {
  test('its gradients by image and context are those of finite differences', async () => {
    const transformer = randomize(new SpatialTransformer(config));
    const f = (image: tf.Tensor, tokens: tf.Tensor) =>
      transformer.forward(image as tf.Tensor4D, { context: tokens as tf.Tensor3D });
    await expectGradient(f as (...inputs: tf.Tensor[]) => tf.Tensor, [x(), context()]);
  });

  test('leaves one tensor', async () => {
    const transformer = randomize(new SpatialTransformer({ ...config, depth: 2 }));
    const inputs = { image: x(), context: context() };
    await expectTensors(1, () => transformer.forward(inputs.image, inputs));
  });
});

test('starts as the identity', async () => {
  await expect(new SpatialTransformer(config).forward(x(), { context: context() })).toBeAllclose(x(), 0);
});

test('needs a context', () => {
  expect(() => new SpatialTransformer(config).forward(x(), {})).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: SpatialTransformer: context must be a tensor, got undefined]`,
  );
});
