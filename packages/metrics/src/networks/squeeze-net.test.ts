import { describeBackends } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { formulaState, goldenImages } from '../test-values';
import { SqueezeNet, type SqueezeNetConfig } from './squeeze-net';
import { expectSqueezeNet, VERSIONS } from './test-squeeze-net';

describeBackends(['wasm'], () => {
  test.each(VERSIONS)('SqueezeNet %s has the maps and logits of torch', expectSqueezeNet);
});

describe('the authors’ release', () => {
  test('has names of its own, takes BGR of 0..255 without the mean, and pads the classifier', async () => {
    const [caffe, torch] = [new SqueezeNet({ release: 'caffe' }), new SqueezeNet()];
    torch.loadStateDict(formulaState(torch));
    const names = [...(await caffe.stateDict()).keys()];
    expect(names.slice(0, 4)).toEqual(['conv1.weight', 'conv1.bias', 'fire2.conv1x1_1.weight', 'fire2.conv1x1_1.bias']);
    expect(names.slice(-4)).toEqual([
      'fire9.conv3x3_2.weight',
      'fire9.conv3x3_2.bias',
      'conv_final.weight',
      'conv_final.bias',
    ]);
    const values = [...(await torch.stateDict()).values()]; // in the same order
    caffe.loadStateDict(new Map(names.map((name, i) => [name, values[i]!])));

    // What is (c / 255 - mean) / deviation for one is 255 c' - mean' for the other, with the colors turned around.
    const images = goldenImages('network/x');
    const prepared = tf.div(tf.sub(images, [0.485, 0.456, 0.406]), [0.229, 0.224, 0.225]);
    const same = tf.reverse(tf.div(tf.add(prepared, [104, 117, 123]), 255), 3) as Tensor4D;
    await expect(caffe.features(same)).toBeAllclose(torch.features(images), 1e-4);

    // The border of the classifier sees its bias alone.
    const [, h, w] = caffe.featureMaps(same).at(-1)!.shape;
    const sum = tf.mul(torch.logits(images), h * w);
    const bias = tf.relu(torch.parameters().get('classifier.1.bias')!.value as tf.Tensor);
    const border = (h + 2) * (w + 2) - h * w;
    const expected = tf.div(tf.add(sum, tf.mul(bias, border)), (h + 2) * (w + 2));
    await expect(caffe.logits(same)).toBeAllclose(expected, 1e-4);
  });
});

describe('errors', () => {
  test('of the configuration', () => {
    const wrong = (config: object) => () => new SqueezeNet(config as SqueezeNetConfig);
    expect(wrong({ version: '2.0' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SqueezeNet: version must be '1.0' or '1.1', got "2.0"]`,
    );
    expect(wrong({ release: 'keras' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SqueezeNet: release must be 'torchvision', or 'caffe' of version '1.0', got "keras"]`,
    );
    expect(wrong({ version: '1.1', release: 'caffe' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SqueezeNet: release must be 'torchvision', or 'caffe' of version '1.0', got "caffe"]`,
    );
  });

  test('of names of the other release', () => {
    const header = new Map([['conv1.weight', { shape: [96, 3, 7, 7] }]]);
    expect(() => new SqueezeNet().planLoad(header)).toThrow('unexpected: conv1.weight');
  });

  test('of images', () => {
    const model = new SqueezeNet();
    expect(() => model.logits(tf.zeros([1, 32, 32, 1]) as Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: SqueezeNet.logits: images must be [N, H, W, 3], got [1, 32, 32, 1]]`,
    );
    expect(() => model.features(tf.zeros([1, 6, 32, 3]) as Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: input size must be at least the 7x7 filter, got [6, 32]]`,
    );
    expect(() => model.features(tf.zeros([1, 32, 32, 3]) as Tensor4D, { depth: 7 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SqueezeNet.features: depth must be an integer in [0, 6], got 7]`,
    );
  });
});
