import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { foldIn, randomKey } from '@sd/core';
import { ddimStep } from '@sd/schedulers';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import { decodeLatents, encodeMean } from '../data/latents';
import { schedulerConfig } from '../training/build-models';
import { tinyProject } from '../training/tiny-project';
import { readInitLatents, readKnownLatents } from './init-image';
import type { Pipeline } from './pipeline';
import { PredictionStrip } from './prediction-strip';
import { type SampleOptions, sampleImages, sampleLatents } from './sample-images';
import { sampleNoise } from './sample-noise';
import { SAMPLER_NAMES, SAMPLERS, samplerScheduler } from './samplers';
import { tinyPipeline } from './tiny-pipeline';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-modes-'));
});
afterAll(() => rm(folder, { recursive: true }));

const own = schedulerConfig(tinyProject('out').diffusion);
const base = { count: 3, steps: 4, key: randomKey(1), openProgress: silentProgress } satisfies SampleOptions;
const row = (x: Tensor4D, i: number) => tf.slice(x, [i, 0, 0, 0], [1, -1, -1, -1]) as Tensor4D;

describeBackends(['wasm'], () => {
  let pipeline: Pipeline;
  let latents: Tensor4D; // an image's
  beforeAll(() => {
    pipeline = tinyPipeline();
    latents = tf.mul(sampleNoise(randomKey(8), 0, 1, [8, 8, 4]), 0.7);
  });
  const using = (sampler: string, changes: object = {}): Pipeline => ({
    ...pipeline,
    scheduler: samplerScheduler({ ...own, ...changes }, { sampler, inpaints: true }),
  });

  const usable = SAMPLER_NAMES.filter((name) => SAMPLERS[name].family === 'ddpm' && name !== 'ddim-inverse');
  test.each(usable)('%s draws the same sample whatever the batch size, and leaks nothing', async (sampler) => {
    const changed = using(sampler, sampler === 'repaint' ? { prediction_type: 'epsilon' } : {});
    const options = { ...base, count: 2 };
    const together = await expectTensors(1, () => sampleLatents(changed, options));
    const apart = await sampleLatents(changed, { ...options, batchSize: 1 });
    await expect(apart).toBeAllclose(together, 1e-5);
    const direct = await changed.scheduler.sample(
      (x, t) => pipeline.unet.forward(x, t),
      tf.mul(sampleNoise(foldIn(base.key, 'start'), 0, 2, [8, 8, 4]), changed.scheduler.initNoiseSigma(4)) as Tensor4D,
      { steps: 4, noise: (n) => sampleNoise(foldIn(foldIn(base.key, 'step'), n), 0, 2, [8, 8, 4]) },
    );
    await expect(together).toBeAllclose(direct, 1e-5);
  });

  test('from an image: the steps that are left, from the image with noise', async () => {
    const init = { latents, strength: 0.5 };
    const made = await expectTensors(1, () => sampleLatents(pipeline, { ...base, eta: 0, init }));
    const { scheduler } = pipeline;
    const visited = scheduler.timesteps(4);
    const abar = scheduler.alphasCumprod[visited[2]];
    const noise = sampleNoise(foldIn(base.key, 'start'), 0, 3, [8, 8, 4]);
    let x = tf.add(tf.mul(latents, Math.sqrt(abar)), tf.mul(noise, Math.sqrt(1 - abar))) as Tensor4D;
    for (const t of visited.slice(2)) {
      x = ddimStep(pipeline.unet.forward(x, t), {
        x,
        t,
        tPrev: t - 250,
        schedule: scheduler.schedule,
        predictionType: 'v_prediction',
        finalAlphaCumprod: scheduler.alphasCumprod[0],
      });
    }
    await expect(made).toBeAllclose(x, 1e-5);
  });

  test('strength 0 is the image, encoded and decoded; strength 1 is to start from noise', async () => {
    const kept = await expectTensors(1, () => sampleImages(pipeline, { ...base, init: { latents, strength: 0 } }));
    const decoded = decodeLatents(pipeline.autoencoder, latents, pipeline.scaleFactor);
    for (let i = 0; i < 3; i++) await expect(row(kept, i)).toBeAllclose(decoded, 1e-5);
    const lost = await sampleImages(pipeline, { ...base, init: { latents, strength: 1 } });
    await expect(lost).toBeAllclose(await sampleImages(pipeline, base), 0);
  });

  test.each(['ddim', 'euler', 'repaint'])('%s inpaints: what is known is kept, the rest is made', async (sampler) => {
    const known = tf.tensor4d(
      Float32Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? 1 : 0)),
      [1, 8, 8, 1],
    );
    const changed = using(sampler, { prediction_type: 'epsilon' });
    const init = { latents, strength: 1, known };
    const made = await expectTensors(1, () => sampleLatents(changed, { ...base, init }));
    const left = (x: Tensor4D) => tf.slice(x, [0, 0, 0, 0], [-1, -1, 4, -1]);
    const right = (x: Tensor4D) => tf.slice(x, [0, 0, 4, 0], [-1, -1, 4, -1]);
    const image = tf.tile(latents, [3, 1, 1, 1]) as Tensor4D;
    await expect(left(made)).toBeAllclose(left(image), 1e-6);
    await expect(expect(right(made)).toBeAllclose(right(image), 1e-1)).rejects.toThrow();
    const apart = await sampleLatents(changed, { ...base, init, batchSize: 2 });
    await expect(apart).toBeAllclose(made, 1e-5);
  });

  test.each([
    ['ddim', 0],
    ['euler-a', undefined],
  ] as const)('an interpolation with %s ends in the first samples of both seeds', async (sampler, eta) => {
    const changed = using(sampler);
    const to = randomKey(2);
    const options = { ...base, eta, count: 3 };
    const way = await expectTensors(1, () => sampleLatents(changed, { ...options, interpolateTo: to }));
    const first = await sampleLatents(changed, { ...options, count: 1 });
    const last = await sampleLatents(changed, { ...options, count: 1, key: to });
    await expect(row(way, 0)).toBeAllclose(first, 1e-5);
    await expect(row(way, 2)).toBeAllclose(last, 1e-5);
    for (const end of [first, last]) await expect(expect(row(way, 1)).toBeAllclose(end, 1e-2)).rejects.toThrow();
    const apart = await sampleLatents(changed, { ...options, interpolateTo: to, batchSize: 2 });
    await expect(apart).toBeAllclose(way, 1e-5);
  });

  test('a strip has the predictions of the first samples, and the last one is the sample', async () => {
    const changed = using('euler'); // ends without noise: at the x_0 that it predicts
    const strip = new PredictionStrip(2, 3);
    const options = { ...base, steps: 5, batchSize: 1, onPredictions: strip.add.bind(strip) };
    const samples = await expectTensors(7, () => sampleImages(changed, options)); // 2 x 3 predictions
    const images = await expectTensors(1, () => strip.images(pipeline.autoencoder, pipeline.scaleFactor));
    expect(strip.shown).toBe(3);
    expect(images.shape).toEqual([6, 16, 16, 3]);
    for (const i of [0, 1]) {
      await expect(row(images, 3 * i + 2)).toBeAllclose(row(samples, i), 1e-5);
      await expect(expect(row(images, 3 * i)).toBeAllclose(row(samples, i), 1e-3)).rejects.toThrow();
    }
    await expectTensors(-6, () => strip.dispose());
  });

  test('what cannot be drawn is an error, and leaves nothing behind', async () => {
    const failing = (changes: object, message: string) =>
      expectTensors(0, () => expect(sampleLatents(pipeline, { ...base, ...changes })).rejects.toThrow(message));
    await failing({ interpolateTo: randomKey(2), count: 1 }, 'sampleLatents: count must be an integer >= 2, got 1');
    await failing(
      { init: { latents, strength: 0.1 } },
      'sampleLatents: strength must be 0, or at least 1/4: one of 4 steps, got 0.1',
    );
    await failing({ init: { latents, strength: 2 } }, 'sampleLatents: strength must be a number in [0, 1], got 2');
    await failing({ eta: 2 }, 'DDIMScheduler.plan: eta must be a number in [0, 1], got 2');
  });

  test('a picture is read as training images are, and a latent is kept where no pixel of it is white', async () => {
    const file = join(folder, 'picture.png');
    await sharp({ create: { width: 16, height: 16, channels: 3, background: { r: 255, g: 0, b: 51 } } })
      .png()
      .toFile(file);
    const read = await expectTensors(1, () => readInitLatents(pipeline, file));
    const image = tf.tile(tf.tensor4d([1, -1, -0.6], [1, 1, 1, 3]), [1, 16, 16, 1]) as Tensor4D;
    await expect(read).toBeAllclose(tf.mul(encodeMean(pipeline.autoencoder, image), 1.5), 1e-5);

    const bytes = new Uint8Array(16 * 16);
    bytes[5 * 16 + 9] = 255; // one white pixel, in the latent of row 2 and column 4
    const mask = join(folder, 'mask.png');
    await sharp(bytes, { raw: { width: 16, height: 16, channels: 1 } })
      .png()
      .toFile(mask);
    const known = await expectTensors(1, () => readKnownLatents(pipeline, mask));
    expect(known.shape).toEqual([1, 8, 8, 1]);
    expect([...(await known.data())].flatMap((value, i) => (value === 0 ? [i] : []))).toEqual([2 * 8 + 4]);

    await expect(readInitLatents(pipeline, join(folder, 'none.png'))).rejects.toThrow(
      /^--init: cannot read .*none\.png: /,
    );
    await expect(readKnownLatents(pipeline, join(folder, 'none.png'))).rejects.toThrow(
      /^--mask: cannot read .*none\.png: /,
    );
  });
});
