import { float32View } from '@sd/checkpoint';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { formulaState, goldenImages, goldenTensor } from '../test-values';
import { InceptionV3 } from './inception-v3';

const FILE = 'fid.safetensors';

describeBackends(['wasm'], () => {
  test('InceptionV3 has the features of pytorch-fid at its four depths; a classifier and counts do not matter', async () => {
    const model = new InceptionV3();
    const state = formulaState(model); // without num_batches_tracked
    state.set('fc.weight', float32View(new Float32Array(4), [2, 2]));
    model.loadStateDict(state);
    const images = goldenImages('inception_image01', FILE);
    const maps = await expectTensors(4, () => model.featureMaps(images));
    expect(maps.map(({ shape }) => shape)).toEqual([
      [2, 73, 73, 64],
      [2, 35, 35, 192],
      [2, 17, 17, 768],
      [2, 8, 8, 2048],
    ]);
    for (const [depth, channels] of model.channels.entries()) {
      const expected = goldenTensor(`inception_${channels}_mean_hw`, FILE);
      await expect(tf.mean(maps[depth]!, [1, 2])).toBeAllclose(expected, 1e-4);
    }
    const first = await expectTensors(1, () => model.features(images, { depth: 0 }));
    await expect(first).toBeAllclose(goldenTensor('inception_64_mean_hw', FILE), 1e-4);
  });
});

test('the state is that of pytorch-fid’s file: names, parameters, multiply-accumulates', () => {
  const model = new InceptionV3();
  expect([...model.parameters().keys(), ...model.buffers().keys()]).toHaveLength(94 * 6);
  expect(model.buffers().has('Mixed_7c.branch3x3dbl_3b.bn.running_var')).toBe(true);
  expect(model.parameters().get('Mixed_6b.branch7x7_2.conv.weight')!.torchShape).toEqual([128, 128, 1, 7]);
  // torchvision's inception_v3 without its auxiliary branch: 23,834,568, of which 2,049,000 in the classifier, and
  // 5.713 G multiply-accumulates, of which 2,048,000 there
  expect(model.parameterCount).toBe(23_834_568 - 2_049_000);
  expect(model.macs()).toBe(5_713_216_096 - 2_048_000);
});

describe('errors', () => {
  const model = new InceptionV3();

  test('of shape and depth', () => {
    const images = tf.zeros([1, 8, 8, 3]) as Tensor4D;
    expect(() => model.features(tf.zeros([1, 8, 8, 1]) as Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: InceptionV3.features: images must be [N, H, W, 3], got [1, 8, 8, 1]]`,
    );
    expect(() => model.features(images, { depth: 4 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: InceptionV3.features: depth must be an integer in [0, 3], got 4]`,
    );
    expect(() => model.featureMaps(images, { depth: 0.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: InceptionV3.featureMaps: depth must be an integer in [0, 3], got 0.5]`,
    );
  });

  test('of the state', () => {
    const entries = [...model.parameters(), ...model.buffers()].filter(([name]) => name.startsWith('Conv2d_1a'));
    const all = new Map(
      [...model.parameters(), ...model.buffers()].map(([name, { torchShape }]) => [name, { shape: torchShape }]),
    );
    expect(entries).toHaveLength(6);
    expect(() => model.planLoad(all)).not.toThrow();
    all.delete('Conv2d_1a_3x3.conv.weight');
    expect(() => model.planLoad(all)).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: InceptionV3.loadStateDict: the state dict is not of this architecture
        1 missing: Conv2d_1a_3x3.conv.weight]
    `);
  });
});
