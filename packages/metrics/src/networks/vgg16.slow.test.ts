import { float32View } from '@sd/checkpoint';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { formulaState, goldenImages, goldenTensor } from '../test-values';
import { VGG16 } from './vgg16';

describeBackends(['wasm', 'webgpu'], () => {
  test('VGG16 has the maps of torch; a classifier does not matter', async () => {
    const model = new VGG16();
    const state = formulaState(model);
    state.set('classifier.6.bias', float32View(new Float32Array(1), [1]));
    model.loadStateDict(state);
    const images = tf.slice(goldenImages('network/x'), [0, 0, 0, 0], [2, 33, 40, 3]);
    const maps = await expectTensors(5, () => model.featureMaps(images));
    for (const [depth, map] of maps.entries()) {
      await expect(tf.mean(map, [1, 2])).toBeAllclose(goldenTensor(`vgg16/map${depth}`), 1e-4);
    }
    const [, h, w, c] = maps[4]!.shape;
    const corner = tf.reshape(tf.slice(maps[4]!, [0, h - 1, w - 1, 0], [2, 1, 1, c]), [2, c]);
    await expect(corner).toBeAllclose(goldenTensor('vgg16/corner'), 1e-4);
  });
});
