import '@tensorflow/tfjs';
import { useBackend } from '@sd/backend';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { bench, describe } from 'vitest';
import { dft2d } from './dft2d';
import { focalFrequencyLoss } from './focal-frequency-loss';
import { spectralLoss } from './spectral-loss';
import { spectralWeight } from './spectral-weight';

await useBackend('wasm');

describe.each([
  [4, 64, 64],
  [4, 32, 64],
  [4, 16, 128],
  [16, 16, 32],
])('wasm, features [%i, H, W, C] of %i pixels and %i channels', (n, size, channels) => {
  const images = (c: number, pixels = size) => tf.randomNormal<tf.Rank.R4>([n, pixels, pixels, c]);
  const [x, y, x0] = [images(channels), images(channels), images(3, 64)];
  const weight = spectralWeight(x0, { size: [size, size] });
  const kernel = tf.randomNormal<tf.Rank.R4>([3, 3, channels, channels]);
  const run = (name: string, f: () => tf.TensorContainer) => bench(name, () => tf.dispose(f()), { time: 300 });
  const gradient = (loss: (a: Tensor4D) => tf.Scalar) => tf.grad((a) => loss(a as Tensor4D))(x);

  run('a 3x3 convolution, for comparison', () => tf.conv2d(x, kernel, 1, 'same'));
  run('dft2d', () => dft2d(x));
  run('spectralWeight of 64-pixel images', () => spectralWeight(x0, { size: [size, size] }));
  run('spectralLoss', () => spectralLoss(x, y, { weight }));
  run('spectralLoss and its gradient', () => gradient((a) => spectralLoss(a, y, { weight })));
  run('focalFrequencyLoss and its gradient', () => gradient((a) => focalFrequencyLoss(a, y)));
});
