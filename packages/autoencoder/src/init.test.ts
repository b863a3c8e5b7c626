import { randomKey } from '@sd/core';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { Downsample } from './downsample';
import { orthogonalInit } from './init';
import { presets } from './presets';
import { ResnetBlock } from './resnet-block';
import { images } from './testing';
import { Upsample } from './upsample';

const style = { norm: 'group', normGroups: 2, init: 'linear', dropout: 0 } as const;

describe('orthogonalInit', () => {
  test.each([
    [5, 3, 3],
    [12, 2, 1],
  ])('gives orthonormal filters or columns: %i x %i, kernel %i', (outChannels, inChannels, kernel) => {
    const columns = inChannels * kernel * kernel;
    const w = orthogonalInit(outChannels, inChannels, kernel)(randomKey(1), outChannels * columns);
    const wide = outChannels <= columns;
    const size = Math.min(outChannels, columns);
    const at = (vector: number, i: number) => (wide ? w[vector * columns + i] : w[i * columns + vector]);
    const products = Array.from({ length: size * size }, (_, n) => {
      const [a, b] = [Math.floor(n / size), n % size];
      let sum = 0;
      for (let i = 0; i < Math.max(outChannels, columns); i++) sum += at(a, i) * at(b, i);
      return sum;
    });
    expect(products).toBeAllclose(products.map((_, n) => (Math.floor(n / size) === n % size ? 1 : 0)));
  });

  test('leaves the bias at 0', () => {
    expect(orthogonalInit(5, 3, 3)(randomKey(1), 5)).toEqual(new Float32Array(5));
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('a residual block starts as the identity, or as its shortcut', async () => {
    const x = tf.randomNormal([2, 4, 6, 4], 0, 1, 'float32', 1) as tf.Tensor4D;
    const same = new ResnetBlock(4, 4, style);
    await expect(same.forward(x)).toBeAllclose(x, 0);
    const wider = new ResnetBlock(4, 6, style);
    await expect(wider.forward(x)).toBeAllclose(wider.shortcut?.forward(x) as tf.Tensor4D, 0);
    same.dispose();
    wider.dispose();
  });

  test('resampling starts near the mean of a block and near a copy', async () => {
    const x = tf.ones([1, 6, 6, 64]) as tf.Tensor4D;
    const down = new Downsample(64, style);
    const up = new Upsample(64, style);
    // the noise on a constant: a quarter of uniform +-1/24 over 576 terms, deviation 1/4 / sqrt(3)
    const values = async (y: tf.Tensor) => {
      const data = Array.from(await y.data());
      const mean = data.reduce((a, b) => a + b, 0) / data.length;
      return { mean, deviation: Math.sqrt(data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length) };
    };
    const inside = tf.slice(down.forward(x), [0, 0, 0, 0], [1, 2, 2, 64]);
    const halved = await values(inside);
    expect(Math.abs(halved.mean - 1.5)).toBeLessThan(0.1);
    expect(halved.deviation).toBeLessThan(0.25);
    const doubled = await values(tf.slice(up.forward(x), [0, 1, 1, 0], [1, 10, 10, 64]));
    expect(Math.abs(doubled.mean - 1)).toBeLessThan(0.1);
    expect(doubled.deviation).toBeLessThan(0.25);
    down.dispose();
    up.dispose();
  });
});

test('initialize draws the same parameters from the same key and others from another', async () => {
  const model = new AutoencoderKL({ ...presets['tiny-kl-f2'], ch: 4 });
  const draw = async (seed: number) => [...(await model.initialize(randomKey(seed)).stateDict()).values()];
  const [first, again, other] = [await draw(1), await draw(1), await draw(2)];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  model.dispose();
});

test('the deviation of an image stays about the same down to the latent', async () => {
  const model = new AutoencoderKL(presets['tiny-kl-f4']).initialize(randomKey(3));
  const x = images(1, 32);
  const { mean } = model.encode(x);
  const deviation = Math.sqrt((await tf.moments(mean).variance.data())[0]);
  expect(deviation).toBeGreaterThan(0.02);
  expect(deviation).toBeLessThan(1);
  model.dispose();
});
