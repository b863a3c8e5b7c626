import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAutoencoder } from '@sd/autoencoder';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import { UNet, type UNetConfig } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sample } from '../commands/sample';
import { silentProgress } from '../console/progress';
import { writeAtomically } from '../files/atomic-file';
import { saveDiffusionModel } from '../files/weights-file';
import { buildScheduler, schedulerConfig } from '../training/build-models';
import { saveTinyFirstStage, tinyProject, tinyProjectSource } from '../training/tiny-project';
import { type Pipeline, sampleImages } from './sample-images';
import { sampleNoise } from './sample-noise';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-sample-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Parameters of a fresh UNet's last convolution are 0, which would give the same noise back: shaken. */
function shakenUNet(config: UNetConfig): UNet {
  const unet = new UNet(config).initialize(randomKey(4));
  for (const parameter of unet.parameters().values()) {
    parameter.load(Float32Array.from({ length: parameter.size }, (_, i) => 0.2 * Math.sin(1 + i)));
  }
  return unet;
}

describeBackends(['wasm'], () => {
  let pipeline: Pipeline;
  beforeAll(() => {
    const { models, firstStage, diffusion } = tinyProject(folder);
    pipeline = {
      unet: shakenUNet(models.teacher.unet as unknown as UNetConfig),
      autoencoder: createAutoencoder(firstStage.model as Parameters<typeof createAutoencoder>[0]).initialize(
        randomKey(5),
      ),
      scheduler: buildScheduler(diffusion),
      scaleFactor: 1.5,
    };
  });
  const draw = (eta: number, changes: object = {}) =>
    sampleImages(pipeline, { count: 5, steps: 3, eta, key: randomKey(1), openProgress: silentProgress, ...changes });

  test.each([0, 1])('sample i does not depend on the batch size, with eta %d', async (eta) => {
    const together = await expectTensors(1, () => draw(eta));
    expect(together.shape).toEqual([5, 16, 16, 3]);
    for (const batchSize of [1, 2]) {
      const apart = await draw(eta, { batchSize });
      await expect(apart).toBeAllclose(together, 1e-5); // summation order follows the batch
      apart.dispose();
    }
    const one = tf.slice(together, [0, 0, 0, 0], [1, 16, 16, 3]);
    const two = tf.slice(together, [1, 0, 0, 0], [1, 16, 16, 3]) as Tensor4D;
    await expect(expect(one).toBeAllclose(two, 1e-2)).rejects.toThrow(); // samples differ
    tf.dispose([together, one, two]);
  });

  test('noise is drawn from what eta asks for', async () => {
    const [plain, random] = [await draw(0), await draw(1)];
    await expect(expect(random).toBeAllclose(plain, 1e-3)).rejects.toThrow();
    tf.dispose([plain, random]);
  });

  test('the noise of sample i is a function of key and i', async () => {
    const all = sampleNoise(randomKey(2), 0, 6, [2, 2, 4]);
    const some = sampleNoise(randomKey(2), 4, 2, [2, 2, 4]);
    await expect(some).toBeAllclose(tf.slice(all, [4, 0, 0, 0], [2, 2, 2, 4]), 0);
  });

  test('a run that is stopped leaves nothing behind', async () => {
    const controller = new AbortController();
    const stopped = draw(0, {
      signal: controller.signal,
      openProgress: () => ({ update: () => controller.abort(), stop: () => {} }),
    });
    await expect(expectTensors(0, () => stopped)).rejects.toThrow(/abort/i);
  });

  test('the command writes a PNG of the expected size, of the same bytes for the same seed', async () => {
    const out = join(folder, 'out');
    const config = tinyProject(out);
    await saveTinyFirstStage(config);
    const metadata = { unet: pipeline.unet.config, scheduler: schedulerConfig(config.diffusion), scaleFactor: 1.5 };
    const weights = join(out, 'teacher', 'model.safetensors');
    await saveDiffusionModel(weights, pipeline.unet, metadata, 'float32');
    const project = join(folder, 'project.yaml');
    await writeAtomically(project, JSON.stringify(tinyProjectSource(out)));
    const run = async (name: string, seed?: number) => {
      const output = join(folder, 'made', name);
      await sample({
        config: project,
        model: 'teacher',
        output,
        count: 5,
        steps: 2,
        backend: 'wasm',
        ...(seed === undefined ? {} : { seed }),
      });
      return readFile(output);
    };
    const [a, b, c] = [await run('a.png'), await run('b.png'), await run('c.png', 9)];
    expect(a.equals(b)).toBe(true);
    expect(a.equals(c)).toBe(false);
    // five images of 16 pixels, six times as large, in a grid of 3 x 2 with gaps of 4
    expect(await sharp(a).metadata()).toMatchObject({
      format: 'png',
      width: 3 * 96 + 8,
      height: 2 * 96 + 4,
      channels: 3,
    });
  });
});
