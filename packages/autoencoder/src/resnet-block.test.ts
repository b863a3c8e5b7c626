import { randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { partOptions, ResnetBlock } from './resnet-block';

const style = { norm: 'group', normGroups: 2, init: 'torch', dropout: 0 } as const;
const input = (seed: number) => tf.randomNormal([2, 3, 5, 4], 0, 1, 'float32', seed) as tf.Tensor4D;

describeBackends(['cpu', 'wasm'], () => {
  test('the gradient is that of finite differences, with and without normalization', async () => {
    for (const norm of ['group', 'none'] as const) {
      const block = new ResnetBlock(4, 6, { ...style, norm });
      await expectGradient((x) => block.forward(x as tf.Tensor4D), input(1));
      block.dispose();
    }
  });

  test('leaves one tensor', async () => {
    const block = new ResnetBlock(4, 6, style).initialize(randomKey(1));
    const x = input(1);
    const y = await expectTensors(1, () => block.forward(x));
    expect(y.shape).toEqual([2, 3, 5, 6]);
    block.dispose();
  });

  test('drops with a key only, the same with the same key', async () => {
    const block = new ResnetBlock(4, 4, { ...style, dropout: 0.5 });
    const x = input(1);
    const run = async (seed?: number) =>
      Array.from(await block.forward(x, seed === undefined ? {} : { dropoutKey: randomKey(seed) }).data());
    const whole = await run();
    expect(await run()).toEqual(whole);
    const dropped = await run(1);
    expect(dropped).not.toEqual(whole);
    expect(await run(1)).toEqual(dropped);
    expect(await run(2)).not.toEqual(dropped);
    block.dispose();
  });
});

test('parts of a network get keys of their own, and none without a key', () => {
  const options = { dropoutKey: randomKey(1) };
  expect(partOptions(options, 0)).not.toEqual(partOptions(options, 1));
  expect(partOptions(options, 'mid')).toEqual(partOptions(options, 'mid'));
  expect(partOptions({}, 0)).toEqual({});
});

test('names are those of CompVis; a shortcut and norms only where there are some', () => {
  const names = (block: ResnetBlock) => [...block.parameters().keys()].map((name) => name.replace(/\.\w+$/, ''));
  expect([...new Set(names(new ResnetBlock(4, 6, style)))]).toEqual([
    'norm1',
    'conv1',
    'norm2',
    'conv2',
    'nin_shortcut',
  ]);
  expect([...new Set(names(new ResnetBlock(4, 4, { ...style, norm: 'none' })))]).toEqual(['conv1', 'conv2']);
});
