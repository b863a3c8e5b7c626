import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, toFloat32 } from '@sd/checkpoint';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { SqueezeNet } from './squeeze-net';
import { expectSqueezeNet, VERSIONS } from './test-squeeze-net';

/** A folder with the authors' weights, squeezenet1_0.safetensors, and what another program computed with them. */
const folder = process.env.SD_SQUEEZENET ?? '';
const there = folder !== '' && existsSync(join(folder, 'squeezenet1_0.safetensors'));
if (!there) console.warn('skipped: SD_SQUEEZENET names no folder with squeezenet1_0.safetensors');

describe.skipIf(!there)('with the authors’ weights', () => {
  const read = (name: string) => readSafetensors(new Uint8Array(readFileSync(join(folder, name)))).tensors;

  describeBackends(['cpu', 'wasm', 'webgpu'], () => {
    test.each(['kodim03', 'kodim19'])('features and logits of %s are those of the reference', async (picture) => {
      const model = new SqueezeNet({ release: 'caffe' }).loadStateDict(read('squeezenet1_0.safetensors'));
      const reference = read('squeezenet1_0_reference.safetensors');
      const values = (name: string) => toFloat32(reference.get(`${picture}/${name}`)!);
      const image = tf.div<tf.Tensor4D>(tf.tensor4d(values('rgb_u8_227'), [1, 227, 227, 3]), 255);
      await expect(model.features(image)).toBeAllclose(values('features512'), 1e-4);
      await expect(model.logits(image)).toBeAllclose(values('logits1000'), 1e-4);
    });
  });
});

describeBackends(['webgpu'], () => {
  test.each(VERSIONS)('SqueezeNet %s has the maps and logits of torch', expectSqueezeNet);
});
