import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { RunFolder } from '../config/run-folder';
import { silentProgress } from '../console/progress';
import { writeAtomically } from '../files/atomic-file';
import { saveDiffusionModel } from '../files/weights-file';
import { shake } from '../sampling/tiny-pipeline';
import { buildDenoiser, schedulerConfig } from '../training/build-models';
import { saveTinyFirstStage, tinyLatents, tinyProject, tinyProjectSource } from '../training/tiny-project';
import { Pieces } from './pieces';
import { writeReproductionReport } from './report/reproduction-report';
import { readResult, writeResult } from './reproduction-result';
import { REPRODUCTIONS } from './reproductions';

// A few steps of everything: that it runs, writes what it says and leaves nothing behind. No number is looked at.

let folder: string;
let models: string;
let classModels: string;
beforeAll(async () => {
  await useBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'sd-reproduce-'));
  models = join(folder, 'run');
  classModels = join(folder, 'classes');
  await saveTinyRun(models, withStudents);
  await saveTinyRun(classModels, ofClasses);
});
afterAll(() => rm(folder, { recursive: true }));

/** With the two students that Figure 10 compares. */
function withStudents(source: ReturnType<typeof tinyProjectSource>) {
  const { sd } = source.models;
  return { ...source, models: { ...source.models, full: sd, 'no-freq': sd } };
}

/** With two classes, and one model of them. */
function ofClasses({ models, ...source }: ReturnType<typeof tinyProjectSource>) {
  const unet = { ...models.sd.unet, numClasses: 3 };
  return { ...source, condition: { kind: 'class', classes: 2 }, models: { sd: { ...models.teacher, unet } } };
}

/** A run folder of untrained models. */
async function saveTinyRun(
  out: string,
  change: (source: ReturnType<typeof tinyProjectSource>) => object,
): Promise<void> {
  const config = tinyProject(out, change);
  await writeAtomically(join(out, 'project.yaml'), stringify(change(tinyProjectSource(out))));
  await saveTinyFirstStage(config);
  await tinyLatents().save(new RunFolder(out).latents);
  for (const name of Object.keys(config.models)) {
    const denoiser = buildDenoiser(config, name);
    const { unet } = denoiser;
    shake(unet.initialize(randomKey(1)));
    const condition = config.condition ? { condition: { kind: 'class', classes: 2 } as const } : {};
    const metadata = {
      unet: unet.config,
      ...condition,
      scheduler: schedulerConfig(config.diffusion),
      scaleFactor: 1.5,
    };
    await saveDiffusionModel(new RunFolder(out).stage(name).weights, denoiser, metadata, 'float32');
    denoiser.dispose();
  }
}

test.each(REPRODUCTIONS)('$name runs, and what it writes can be read', async ({ run, ...words }) => {
  const own = join(folder, 'smoke', words.name);
  const { signal } = new AbortController();
  const once = async () => {
    const pieces = new Pieces(join(own, 'pieces'), signal);
    const context = {
      scale: 'smoke',
      seed: 1,
      folder: own,
      models: words.name === 'fig8' ? classModels : models,
      pieces,
      signal,
    } as const;
    return run({ ...context, openProgress: silentProgress, report: () => {} });
  };
  const before = tf.memory().numTensors;
  const { figures, ...outcome } = await once();
  expect(tf.memory().numTensors).toBe(before);
  // The second time everything that is in pieces is taken from them.
  expect((await once()).values).toEqual(JSON.parse(JSON.stringify(outcome.values)));
  const facts = {
    format: 'sd-reproduction-1',
    scale: 'smoke',
    seed: 1,
    date: '',
    backend: 'wasm',
    seconds: 0,
  } as const;
  await writeResult(own, { ...words, ...facts, ...outcome }, figures);
  const { tables } = await readResult(join(own, 'result.json'));
  for (const { columns, rows } of tables) {
    for (const row of rows) expect(row).toHaveLength(columns.length);
  }
  const files = await readdir(own);
  for (const { name } of figures) expect(files).toEqual(expect.arrayContaining([`${name}.svg`, `${name}.png`]));
});

test('the report has them all', async () => {
  await writeReproductionReport(folder);
  const html = await readFile(join(folder, 'report.html'), 'utf8');
  for (const { name } of REPRODUCTIONS) expect(html).toContain(`id="${name}-smoke"`);
});
