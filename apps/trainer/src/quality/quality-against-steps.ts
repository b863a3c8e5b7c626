import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '@tensorflow/tfjs';
import { releaseBackend, useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { SpectrumStatistics } from '@sd/spectral-loss';
import * as tf from '@tensorflow/tfjs-core';
import { enableProdMode, type Tensor4D } from '@tensorflow/tfjs-core';
import { withSuggestion } from '../config/nearest';
import { openProgressBar, silentProgress } from '../console/progress';
import { decodeLatents } from '../data/latents';
import { openDataset } from '../data/open-dataset';
import { demoConfig, pretrained } from '../demo/demo-config';
import { errorsAgainst } from '../demo/evaluate';
import { writeAtomically } from '../files/atomic-file';
import { loadDiffusionModel, loadFirstStage } from '../files/weights-file';
import { sampleLatents } from '../sampling/sample-images';
import { samplerScheduler } from '../sampling/samplers';
import { UserError } from '../user-error';
import { type QualityRow, qualityChart, qualityPage } from './quality-page';

// Writes docs/quality-against-steps.md and its chart:  npx pnpm@10 quality-against-steps
// The shipped first stage and teacher, on WebAssembly; the same start noise for every sampler. `--samples 128` and
// `--samplers ddim,euler` say how much is measured.

const STEPS = [5, 10, 20, 50];
const REFERENCE_STEPS = 200;
const DATA_IMAGES = 1024;

/**
 * Every sampler that this model can be drawn with, and does it draw noise? RePaint needs a mask, inversion an image; the
 * samplers of EDM and of flow matching are for other models. LCM and TCD are shown although they are made for distilled
 * models.
 */
const MEASURED: Readonly<Record<string, boolean>> = {
  ddim: false,
  euler: false,
  heun: false,
  lms: false,
  plms: false,
  pndm: false,
  kdpm2: false,
  deis: false,
  'dpm++2m': false,
  'dpm++2s': false,
  unipc: false,
  ddpm: true,
  'euler-a': true,
  'kdpm2-a': true,
  'dpm-sde': true,
  'sa-solver': true,
  lcm: true,
  tcd: true,
};

const { values } = parseArgs({ options: { samples: { type: 'string' }, samplers: { type: 'string' } } });
const SAMPLES = Number(values.samples ?? 128);
const names = values.samplers?.split(',') ?? Object.keys(MEASURED);
if (!Number.isSafeInteger(SAMPLES) || SAMPLES < 1) throw new UserError('--samples must be a whole number above 0');
for (const name of names) {
  if (!Object.hasOwn(MEASURED, name))
    throw new UserError(`--samplers: no ${withSuggestion(name, Object.keys(MEASURED))}`);
}

enableProdMode();
await useBackend('wasm');
const config = demoConfig({ out: 'out', seed: 0 });
const { unet, metadata } = await loadDiffusionModel(pretrained('teacher'));
const autoencoder = await loadFirstStage(pretrained('first-stage'));
const dataset = await openDataset(config.data, config.seed, silentProgress, () => {});
const data = new SpectrumStatistics();
const batch = 64;
for (let first = 0; first < DATA_IMAGES; first += batch) {
  const images = await dataset.batch(Int32Array.from({ length: batch }, (_, i) => first + i));
  await data.add(images);
  images.dispose();
}

const draw = (sampler: string, steps: number) =>
  sampleLatents(
    { unet, scheduler: samplerScheduler(metadata.scheduler, { sampler }) },
    {
      count: SAMPLES,
      steps,
      key: randomKey(0),
      label: `${sampler}, ${steps} steps`,
      openProgress: openProgressBar,
    },
  );

const reference = await draw('ddim', REFERENCE_STEPS);
const rows: QualityRow[] = [await measured('ddim', REFERENCE_STEPS, reference)];
for (const sampler of names) {
  for (const steps of STEPS) {
    const latents = await draw(sampler, steps);
    const row = await measured(sampler, steps, latents);
    rows.push(MEASURED[sampler] ? row : { ...row, distance: await distanceBetween(latents, reference) });
    latents.dispose();
  }
}

const docs = resolve(fileURLToPath(new URL('../../../../docs', import.meta.url)));
await writeAtomically(resolve(docs, 'quality-against-steps.svg'), qualityChart(rows));
await writeAtomically(
  resolve(docs, 'quality-against-steps.md'),
  qualityPage(rows, {
    command: ['quality-against-steps', ...process.argv.slice(2)].join(' '),
    samples: SAMPLES,
    dataImages: DATA_IMAGES,
    referenceSteps: REFERENCE_STEPS,
  }),
);
tf.dispose(reference);
unet.dispose();
autoencoder.dispose();
await releaseBackend();

async function measured(sampler: string, steps: number, latents: Tensor4D): Promise<QualityRow> {
  const scheduler = samplerScheduler(metadata.scheduler, { sampler });
  const images = decodeLatents(autoencoder, latents, metadata.scaleFactor);
  const statistics = new SpectrumStatistics();
  await statistics.add(images);
  images.dispose();
  const { low, high } = await errorsAgainst(statistics, data);
  return { sampler, steps, calls: scheduler.plan({ steps }).length, low, high };
}

/** Root of the mean squared difference, over the root of the reference's mean square. */
async function distanceBetween(a: Tensor4D, b: Tensor4D): Promise<number> {
  const ratio = tf.tidy(() => tf.sqrt(tf.div(tf.mean(tf.square(tf.sub(a, b))), tf.mean(tf.square(b)))));
  const [value] = await ratio.data();
  ratio.dispose();
  return value;
}
