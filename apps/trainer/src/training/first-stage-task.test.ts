import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  autoencoderLoss,
  createAutoencoder,
  discriminatorLoss,
  type NLayerDiscriminator,
  presets,
} from '@sd/autoencoder';
import { foldIn, randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { focalFrequencyLoss } from '@sd/spectral-loss';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DeadLeaves } from '../data/dead-leaves';
import { FirstStageTask } from './first-stage-task';
import { readMetrics } from './metrics-log';
import { runFirstStage } from './run-stages';
import { taskParameters } from './task';
import { TINY_STEPS, tinyContext, tinyProject } from './tiny-project';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-first-stage-'));
});
afterAll(() => rm(folder, { recursive: true }));

const START = 4;
const images = () => new DeadLeaves(randomKey(2), 10, 16);
const key = randomKey(5);

function project(name: string, changes: Readonly<Record<string, unknown>> = {}) {
  return tinyProject(join(folder, name), (source) => ({
    ...source,
    firstStage: { ...source.firstStage, adversarial: { start: START, width: 4, layers: 1 }, ...changes },
  }));
}

function newTask(changes: Readonly<Record<string, unknown>> = {}) {
  const { firstStage } = project('task', changes);
  const model = createAutoencoder(firstStage.model as Parameters<typeof createAutoencoder>[0]);
  const task = new FirstStageTask(model, images(), firstStage, key);
  for (const module of Object.values(task.modules)) module.initialize(randomKey(1));
  return { task, model, discriminator: task.modules.discriminator as NLayerDiscriminator, config: firstStage };
}

describeBackends(['cpu', 'wasm'], () => {
  test('a step gives the autoencoder its own gradients, and the discriminator its own', async () => {
    const { task, model, discriminator, config } = newTask();
    const batch = await expectTensors(2, () => task.batch(START));
    const { gradients } = await expectTensors(model.parameters().size + discriminator.parameters().size + 1, () =>
      valueAndGradients(() => task.objective(batch, START).loss, taskParameters(task)),
    );
    const options = {
      klWeight: config.klWeight,
      key: foldIn(foldIn(key, 'posterior'), START),
      distances: { focal: { distance: (x: Tensor4D, y: Tensor4D) => focalFrequencyLoss(y, x), weight: 1 } },
      adversarial: { discriminator, step: START, start: START, weight: 0.5 },
    };
    const own = valueAndGradients(() => autoencoderLoss(model, batch.images, options).total, model.parameters());
    for (const [name, gradient] of own.gradients) {
      await expect(gradients.get(`model.${name}`) as Tensor).toBeAllclose(gradient, 1e-5);
    }
    const z = model.kind === 'kl' ? model.encode(batch.images).sample(foldIn(options.key, 'posterior')) : undefined;
    const reconstruction = model.decode(z as Tensor4D);
    const other = valueAndGradients(
      () => discriminatorLoss(discriminator, batch.images, reconstruction, { step: START, start: START }).total,
      discriminator.parameters(),
    );
    expect(other.gradients.size).toBe(discriminator.parameters().size);
    for (const [name, gradient] of other.gradients) {
      await expect(gradients.get(`discriminator.${name}`) as Tensor).toBeAllclose(gradient, 1e-5);
    }
    task.dispose();
  });

  test('before its start the discriminator has no part, nor without a configuration', async () => {
    const late = newTask();
    expect(Object.keys(await late.task.batch(START - 1))).toEqual(['images']);
    const half = newTask({ microBatchSize: 1 }); // two draws a step
    expect(Object.keys(await half.task.batch(2 * START - 1))).toEqual(['images']);
    expect(Object.keys(await half.task.batch(2 * START))).toEqual(['images', 'reconstruction']);
    const without = newTask({ adversarial: undefined });
    expect(Object.keys(without.task.modules)).toEqual(['model']);
    const batch = await late.task.batch(START - 1);
    const [a, b] = [late, without].map(({ task }) => task.objective(batch, START - 1));
    expect(Object.keys(a.parts)).toEqual(['rec', 'focalFrequency', 'kl']);
    await expect(a.loss).toBeAllclose(b.loss as Scalar, 1e-6);
    for (const { task } of [late, half, without]) task.dispose();
  });

  test('VQ learns beside a discriminator, too', async () => {
    const { task } = newTask({
      model: { ...presets['tiny-vq-f4'], ch: 4, chMult: [1, 1], resolution: 16, normGroups: 2, nEmbed: 8 },
    });
    const batch = await task.batch(START);
    const { parts } = task.objective(batch, START);
    expect(Object.keys(parts)).toEqual([
      'rec',
      'focalFrequency',
      'g',
      'adaptiveWeight',
      'codebook',
      'perplexity',
      'discriminator',
    ]);
    await expect(tf.mean(tf.abs(tf.sub(batch.reconstruction as Tensor, batch.images)))).toBeAllclose(parts.rec, 1e-5);
    task.dispose();
  });
});

describeBackends(['wasm'], () => {
  test('an interrupted run continues to the same bytes, the discriminator and its statistics included', async () => {
    const whole = tinyContext(project('whole'));
    await expectTensors(0, () => runFirstStage(whole, images()));
    const controller = new AbortController();
    const dataset = images();
    const batch = dataset.batch.bind(dataset);
    let drawn = 0;
    dataset.batch = (indices) => {
      if (++drawn === START + 3) controller.abort();
      return batch(indices);
    };
    const context = tinyContext(project('interrupted'), { signal: controller.signal });
    expect(await runFirstStage(context, dataset)).toMatchObject({ steps: START + 3, interrupted: true });
    await runFirstStage({ ...tinyContext(context.config), resume: true }, images());
    const bytes = ({ folder }: typeof whole) => readFile(folder.firstStage.checkpoint);
    expect((await bytes(context)).equals(await bytes(whole))).toBe(true);
    const last = (await readMetrics(whole.folder.firstStage.metrics)).at(-1);
    expect(last).toMatchObject({ step: TINY_STEPS - 1, parts: { discriminator: expect.any(Number) } });
    expect((await bytes(whole)).includes('discriminator.main.3.running_mean')).toBe(true);
  });
});

test('images that are smaller than a patch are refused before anything is trained', () => {
  expect(() => newTask({ adversarial: { layers: 3 } })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: NLayerDiscriminator: image size must be at least 24, got [16, 16]]`,
  );
});
