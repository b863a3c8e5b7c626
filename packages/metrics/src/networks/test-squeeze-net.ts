// A comparison of this package's tests; no part of the package.
import { expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { formulaState, goldenImages, goldenTensor } from '../test-values';
import { SqueezeNet } from './squeeze-net';

export const VERSIONS = ['1.0', '1.1'] as const;

/** Asserts the maps and logits of torch, on weights by formula. */
export async function expectSqueezeNet(version: (typeof VERSIONS)[number]): Promise<void> {
  const model = new SqueezeNet({ version });
  model.loadStateDict(formulaState(model));
  expect(model.loadedLayout?.project).toBe('torchvision');
  const name = `squeezenet${version.replace('.', '_')}`;
  const images = goldenImages('network/x');
  const maps = await expectTensors(7, () => model.featureMaps(images));
  for (const [depth, map] of maps.entries()) {
    expect(map.shape[3]).toBe(model.channels[depth]);
    await expect(tf.mean(map, [1, 2])).toBeAllclose(goldenTensor(`${name}/map${depth}`), 1e-4);
  }
  const [, h, w, c] = maps[6]!.shape;
  const corner = tf.reshape(tf.slice(maps[6]!, [0, h - 1, w - 1, 0], [2, 1, 1, c]), [2, c]);
  await expect(corner).toBeAllclose(goldenTensor(`${name}/corner`), 1e-4);
  const features = await expectTensors(1, () => model.features(images, { depth: 3 }));
  await expect(features).toBeAllclose(goldenTensor(`${name}/map3`), 1e-4);
  const logits = await expectTensors(1, () => model.logits(images));
  await expect(logits).toBeAllclose(goldenTensor(`${name}/logits`), 1e-4);
  model.dispose();
}
