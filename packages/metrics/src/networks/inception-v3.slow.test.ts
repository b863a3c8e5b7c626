import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { formulaState, goldenImages, goldenTensor } from '../test-values';
import { InceptionV3 } from './inception-v3';

const FILE = 'fid.safetensors';

describeBackends(['webgpu'], () => {
  test('InceptionV3 has the features of pytorch-fid', async () => {
    const model = new InceptionV3();
    model.loadStateDict(formulaState(model));
    const image = tf.slice(goldenImages('inception_image01', FILE), 0, 1);
    const features = model.features(image);
    await expect(features).toBeAllclose(tf.slice(goldenTensor('inception_2048_mean_hw', FILE), 0, 1), 1e-4);
    const first = model.features(image, { depth: 0 });
    await expect(first).toBeAllclose(tf.slice(goldenTensor('inception_64_mean_hw', FILE), 0, 1), 1e-4);
  });
});
