import '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { VGG16 } from './vgg16';

test('VGG16 has the parameters of torchvision’s, without its classifier', () => {
  const model = new VGG16();
  expect(model.parameterCount).toBe(14_714_688); // of 138,357,544
  expect([...model.parameters().keys()].at(-1)).toBe('features.28.bias');
  expect(model.channels).toEqual([64, 128, 256, 512, 512]);
});

test('images that are too small for five poolings are refused', () => {
  const model = new VGG16();
  expect(() => model.features(tf.zeros([1, 1, 40, 3]) as Tensor4D, { depth: 1 })).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: maxPool: x must be [N, H, W, C] of at least one 2 x 2 window, got [1, 1, 40, 64]]`,
  );
});
