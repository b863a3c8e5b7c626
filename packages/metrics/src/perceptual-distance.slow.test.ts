import { describeBackends } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { test } from 'vitest';
import { SqueezeNet } from './networks/squeeze-net';
import { VGG16 } from './networks/vgg16';
import { expectGolden } from './test-perceptual';
import { goldenImages } from './test-values';

describeBackends(['cpu', 'webgpu'], () => {
  test('with SqueezeNet 1.1 distances and gradients are those of torch, with heads and without', async () => {
    const network = new SqueezeNet({ version: '1.1' });
    await expectGolden('squeezenet1_1', network, goldenImages('network/x'), goldenImages('network/y'));
  });
});

describeBackends(['wasm'], () => {
  test('with VGG16 distances and gradients are those of torch, with heads and without', async () => {
    const [x, y] = ['x', 'y'].map((name) => tf.slice(goldenImages(`network/${name}`), 0, [2, 33, 40, 3]));
    await expectGolden('vgg16', new VGG16(), x as Tensor4D, y as Tensor4D);
  });
});
