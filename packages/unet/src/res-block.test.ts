import { normal, randomKey } from '@sd/core';
import { averagePool2x, upsampleNearest2x } from '@sd/nn';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { ResBlock, type ResBlockConfig } from './res-block';
import { randomize } from './testing/randomize';

const base: ResBlockConfig = {
  inChannels: 4,
  outChannels: 4,
  embeddingChannels: 6,
  inGroups: 2,
  outGroups: 2,
  dropout: 0,
  useScaleShiftNorm: false,
  normEps: 1e-5,
  resample: 'conv',
  wavelet: { fuse: 'conv', gate: 'channel', gateHidden: 2, wavelet: 'haar' },
};

const variants: Record<string, ResBlockConfig> = {
  plain: base,
  'other width': { ...base, outChannels: 6 },
  'scale-shift': { ...base, useScaleShiftNorm: true },
  down: { ...base, direction: 'down' },
  'wavelet down': { ...base, direction: 'down', resample: 'wavelet' },
  'wavelet up': { ...base, direction: 'up', resample: 'wavelet', useScaleShiftNorm: true },
};

const x = () => normal(randomKey(1), [2, 4, 4, 4]) as tf.Tensor4D;
const embedding = () => normal(randomKey(2), [2, 6]) as tf.Tensor2D;

describeBackends(['cpu', 'wasm'], () => {
  test.each(Object.entries(variants))(
    '%s: gradients by image and embedding are those of finite differences',
    async (_, config) => {
      const block = randomize(new ResBlock(config));
      const f = (image: tf.Tensor, e: tf.Tensor) =>
        block.forward(image as tf.Tensor4D, { embedding: e as tf.Tensor2D, name: 'block' });
      await expectGradient(f as (...inputs: tf.Tensor[]) => tf.Tensor, [x(), embedding()]);
    },
  );

  test('one row of embeddings serves the whole batch', async () => {
    const block = randomize(new ResBlock({ ...base, useScaleShiftNorm: true }));
    const input = x();
    const row = normal(randomKey(3), [1, 6]) as tf.Tensor2D;
    const y = await expectTensors(1, () => block.forward(input, { embedding: row, name: 'block' }));
    await expect(y).toBeAllclose(block.forward(input, { embedding: tf.tile(row, [2, 1]), name: 'block' }));
  });
});

describe('a new block', () => {
  const forward = (config: ResBlockConfig) =>
    new ResBlock(config).forward(x(), { embedding: embedding(), name: 'block' });

  test('is the identity, pooling or nearest upsampling', async () => {
    await expect(forward(base)).toBeAllclose(x(), 0);
    await expect(forward({ ...base, direction: 'down' })).toBeAllclose(averagePool2x(x()), 0);
    await expect(forward({ ...base, direction: 'up' })).toBeAllclose(upsampleNearest2x(x()), 0);
  });

  test('is its skip connection where the width changes', async () => {
    const block = new ResBlock({ ...base, outChannels: 6 });
    const y = block.forward(x(), { embedding: embedding(), name: 'block' });
    await expect(y).toBeAllclose(block.skip!.forward(x()), 0);
  });

  test('is the wavelet-gated x_upd', async () => {
    const block = new ResBlock({ ...base, direction: 'up', resample: 'wavelet' });
    const y = block.forward(x(), { embedding: embedding(), name: 'block' });
    await expect(y).toBeAllclose(block.xUpd!.forward(x()), 0);
  });
});

describe('dropout', () => {
  const block = randomize(new ResBlock({ ...base, dropout: 0.5 }));
  const forward = (dropoutKey?: ReturnType<typeof randomKey>, name = 'block') =>
    block.forward(x(), { embedding: embedding(), name, dropoutKey });

  test('does nothing without a key', async () => {
    const same = randomize(new ResBlock(base)).forward(x(), { embedding: embedding(), name: 'block' });
    await expect(forward()).toBeAllclose(same, 0);
  });

  test('depends on the key and on the block, on nothing else', async () => {
    await expect(forward(randomKey(1))).toBeAllclose(forward(randomKey(1)), 0);
    await expect(forward(randomKey(1))).not.toBeAllclose(forward(), 0.01);
    await expect(forward(randomKey(1))).not.toBeAllclose(forward(randomKey(2)), 0.01);
    await expect(forward(randomKey(1))).not.toBeAllclose(forward(randomKey(1), 'another'), 0.01);
  });
});
