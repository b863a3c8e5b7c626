import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { autoencoderLoss, createAutoencoder } from '@sd/autoencoder';
import { float32View, writeSafetensors } from '@sd/checkpoint';
import { foldIn, randomKey } from '@sd/core';
import { PerceptualDistance, SqueezeNet } from '@sd/metrics';
import { valueAndGradients } from '@sd/nn';
import { focalFrequencyLoss } from '@sd/spectral-loss';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PerceptualConfig } from '../config/schema';
import { DeadLeaves } from '../data/dead-leaves';
import { UserError } from '../user-error';
import { FirstStageTask } from './first-stage-task';
import { readMetrics } from './metrics-log';
import { openPerceptualLoss } from './perceptual-loss';
import { runFirstStage } from './run-stages';
import { taskParameters } from './task';
import { tinyContext, tinyProject } from './tiny-project';

const SIZE = 32;
const images = () => new DeadLeaves(randomKey(2), 10, SIZE);

let folder: string;
let settings: Omit<PerceptualConfig, 'weight'>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-perceptual-'));
  settings = {
    network: 'squeezenet',
    weights: join(folder, 'squeezenet.safetensors'),
    heads: join(folder, 'heads.safetensors'),
  };
});
afterAll(() => rm(folder, { recursive: true }));

/** Heads that weigh the channels differently. */
function headsOf({ channels }: SqueezeNet) {
  return new Map(
    channels.map((width, k) => {
      const values = Float32Array.from({ length: width }, (_, i) => 1 + Math.sin(i + k));
      return [`lin${k}.model.1.weight`, float32View(values, [1, width, 1, 1])] as const;
    }),
  );
}

/** Writes weights as a user has them: a network's, and heads. */
async function writeWeights(): Promise<void> {
  const network = new SqueezeNet({ version: '1.1' }).initialize(randomKey(7));
  await writeFile(settings.weights, writeSafetensors(await network.stateDict()));
  await writeFile(settings.heads as string, writeSafetensors(headsOf(network)));
  network.dispose();
}

function project(name: string, changes: object) {
  return tinyProject(join(folder, name), (source) => ({
    ...source,
    data: { ...source.data, size: SIZE },
    firstStage: { ...source.firstStage, steps: 2, ...changes },
    models: {},
  }));
}

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

describeBackends(['wasm'], () => {
  beforeAll(writeWeights);

  test('LPIPS of images and reconstructions, in [0, 1], goes into loss and gradients with its weight; its network is not trained', async () => {
    const { firstStage } = project('task', { perceptual: { ...settings, weight: 0.25 } });
    const loss = await openPerceptualLoss(firstStage.perceptual as PerceptualConfig, SIZE);
    const model = createAutoencoder(firstStage.model as Parameters<typeof createAutoencoder>[0]);
    const key = randomKey(5);
    const task = new FirstStageTask(model, images(), firstStage, key, loss);
    model.initialize(randomKey(1));
    expect(Object.keys(task.modules)).toEqual(['model']);
    const batch = await task.batch(0);
    const network = new SqueezeNet({ version: '1.1' }).initialize(randomKey(7));
    const own = new PerceptualDistance(network).loadStateDict(headsOf(network));
    const unit = (x: Tensor4D) => tf.mul(tf.add(x, 1), 0.5) as Tensor4D;
    const expected = autoencoderLoss(model, batch.images, {
      klWeight: firstStage.klWeight,
      key: foldIn(foldIn(key, 'posterior'), 0),
      perceptual: (x, y) => own.distance(unit(x), unit(y)),
      perceptualWeight: 0.25,
      distances: { focalFrequency: { distance: (x, y) => focalFrequencyLoss(y, x), weight: 1 } },
    });
    const objective = task.objective(batch, 0);
    expect(Object.keys(objective.parts)).toEqual(['rec', 'perceptual', 'focalFrequency', 'kl']);
    await expect(objective.loss).toBeAllclose(expected.total);
    await expect(objective.parts.perceptual).toBeAllclose(expected.parts.perceptual);
    expect((await objective.parts.perceptual.data())[0]).toBeGreaterThan(0.01);

    const { gradients } = await expectTensors(model.parameters().size + 1, () =>
      valueAndGradients(() => task.objective(batch, 0).loss, taskParameters(task)),
    );
    const without = new FirstStageTask(model, images(), firstStage, key);
    const others = valueAndGradients(() => without.objective(batch, 0).loss, taskParameters(without));
    const name = 'model.decoder.conv_out.weight';
    const difference = tf.max(tf.abs(tf.sub(gradients.get(name) as Tensor, others.gradients.get(name) as Tensor)));
    expect((await difference.data())[0]).toBeGreaterThan(1e-4);
    task.dispose();
    loss.dispose();
  });

  test('it is logged, lowered by training, and belongs to the run', async () => {
    const { weights, network } = settings;
    const config = project('run', { steps: 12, focalFrequencyWeight: 0, perceptual: { network, weights, weight: 2 } });
    const context = tinyContext(config);
    await expectTensors(0, () => runFirstStage(context, images()));
    const rows = await readMetrics(context.folder.firstStage.metrics);
    expect(Object.keys(rows[0].parts)).toEqual(['rec', 'perceptual', 'kl']);
    const [first, last] = [rows[0].parts.perceptual, rows.at(-1)?.parts.perceptual as number];
    expect(last).toBeLessThan(first);
    const other = tinyContext(
      project('run', { steps: 40, focalFrequencyWeight: 0, perceptual: { ...settings, weight: 2 } }),
    );
    expect(await complaintOf(runFirstStage({ ...other, resume: true }, images()))).toMatch(
      /perceptual\.heads: was absent, is "[0-9a-f]{64}"/,
    );
  });

  test('weights that are missing or of another network, and images that are too small, are refused', async () => {
    const open = (changes: Partial<PerceptualConfig>, size = SIZE) =>
      complaintOf(expectTensors(0, () => openPerceptualLoss({ ...settings, weight: 1, ...changes }, size)));
    expect(await open({ weights: join(folder, 'none.pth') })).toMatchInlineSnapshot(
      `"cannot read FOLDER/none.pth: no such file"`,
    );
    expect(await open({ network: 'vgg16' })).toMatch(
      /^FOLDER\/squeezenet\.safetensors: VGG16\.load\w+: the state dict is not of/,
    );
    expect(await open({ heads: settings.weights })).toMatch(
      /^FOLDER\/squeezenet\.safetensors: PerceptualDistance\.load\w+: the state dict is not of/,
    );
    expect(await open({}, 16)).toMatchInlineSnapshot(
      `"config: firstStage.perceptual: images of 16 px are too small for squeezenet: maxPool: x must be [N, H, W, C] of at least one 3 x 3 window, got [1, 1, 1, 256]"`,
    );
  });
});
