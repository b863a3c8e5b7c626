import { countMacs as countAutoencoderMacs } from '@sd/autoencoder';
import { foldIn, randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { SpectrumStatistics } from '@sd/spectral-loss';
import { countMacs } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageDataset } from '../data/image-dataset';
import { decodeLatents, encodeMean, type Latents } from '../data/latents';
import { loadDiffusionModel, loadFirstStage } from '../files/weights-file';
import { makeImageGrid } from '../report/image-grid';
import type { ModelReport, ReportData } from '../report/report-data';
import { measureStepsPerSecond, sampleImages } from '../sampling/sample-images';
import { readMetrics } from '../training/metrics-log';
import { firstStageWeights, modelConfig, modelWeights, type StageContext } from '../training/run-stages';
import type { DemoOptions } from './demo-options';
import { errorsAgainst, gateCurves, meanPsnr, plainSpectrum, spectrumOf } from './evaluate';
import { findings } from './findings';
import type { Stopwatch } from './stopwatch';

/** Images that are shown of everything, and that the errors and spectra are of. */
const SHOWN = 16;
const EVALUATED = 128;
const REFERENCE = 1024;
const GATE_TIMES = [1, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999];
const GATE_IMAGES = 32;

export type DemoReportInput = {
  readonly latents: Latents;
  readonly dataset: ImageDataset;
  readonly explanation: string;
  readonly options: DemoOptions;
  readonly stopwatch: Stopwatch;
};

const LABELS = { teacher: 'Teacher', lite: 'Lite', sd: 'SD' } as const;

/** Samples every model and gathers what the report shows. */
export async function demoReport(context: StageContext, input: DemoReportInput): Promise<ReportData> {
  const { config } = context;
  const { dataset, stopwatch, options, explanation } = input;
  const autoencoder = await loadFirstStage(firstStageWeights(context));
  const data = await stopwatch.time('spectrum of the data', () => datasetSpectrum(dataset));
  const images = await dataset.batch(Int32Array.from({ length: SHOWN }, (_, i) => i));
  const firstStage = await stopwatch.time('first stage', () =>
    firstStageReport(autoencoder, dataset, data, config.firstStage.model),
  );
  const models: ModelReport[] = [];
  let gates: ReportData['gates'] = [];
  for (const name of ['teacher', 'lite', 'sd'] as const) {
    const { unet, metadata } = await loadDiffusionModel(modelWeights(context, name));
    const scheduler = schedulerFromConfig(metadata.scheduler);
    const { steps, eta } = config.sampling;
    const samples = await stopwatch.time(`sample ${name}`, () =>
      sampleImages(
        { unet, scheduler, autoencoder, scaleFactor: metadata.scaleFactor },
        { ...context, count: EVALUATED, steps, eta, key: randomKey(config.seed), label: `sample ${name}` },
      ),
    );
    const statistics = await spectrumOf(samples);
    const { imageSize, inChannels } = unet.config;
    const stepsPerSecond = await stopwatch.time(`time ${name}`, () =>
      measureStepsPerSecond(unet, [SHOWN, imageSize, imageSize, inChannels]),
    );
    models.push({
      name,
      label: LABELS[name],
      description: describeModel(name, unet.config),
      parameters: unet.parameterCount,
      macs: countMacs(unet.config),
      training: await trainingReport(context, name),
      sampling: { sampler: 'DDIM', steps, stepsPerSecond, batchSize: SHOWN },
      samples: await firstOf(samples, SHOWN),
      spectrum: plainSpectrum(statistics),
      errors: await errorsAgainst(statistics, data),
      evaluated: EVALUATED,
    });
    if (name === 'sd') {
      gates = await stopwatch.time('gates', () =>
        gateCurves(unet, scheduler, input.latents, foldIn(randomKey(config.seed), 'gates'), {
          images: GATE_IMAGES,
          times: GATE_TIMES,
        }),
      );
    }
    samples.dispose();
    unet.dispose();
  }
  const grid = await makeImageGrid(images);
  images.dispose();
  autoencoder.dispose();
  return {
    title: 'Slim diffusion: a teacher, Lite and Spectral Diffusion',
    subtitle: `${dataset.description}; ${models.map(({ label }) => label).join(', ')} from the same noise`,
    date: new Date().toISOString(),
    backend: explanation,
    seed: config.seed,
    command: ['pnpm demo', ...(options.data ? [`--data ${options.data}`] : []), `--seed ${config.seed}`].join(' '),
    data: { description: dataset.description, grid, spectrum: plainSpectrum(data) },
    firstStage,
    models,
    gates,
    timings: stopwatch.parts,
    findings: findings(models, firstStage.errors),
  };
}

async function datasetSpectrum(dataset: ImageDataset): Promise<SpectrumStatistics> {
  const statistics = new SpectrumStatistics();
  const count = Math.min(REFERENCE, dataset.length);
  for (let first = 0; first < count; first += EVALUATED) {
    const indices = Int32Array.from({ length: Math.min(EVALUATED, count - first) }, (_, i) => first + i);
    const batch = await dataset.batch(indices);
    await statistics.add(batch);
    batch.dispose();
  }
  return statistics;
}

async function firstStageReport(
  autoencoder: Awaited<ReturnType<typeof loadFirstStage>>,
  dataset: ImageDataset,
  data: SpectrumStatistics,
  model: string | object,
): Promise<ReportData['firstStage']> {
  const { size } = dataset;
  const images = await dataset.batch(Int32Array.from({ length: EVALUATED }, (_, i) => i % dataset.length));
  const latents = encodeMean(autoencoder, images);
  const reconstructions = decodeLatents(autoencoder, latents, 1);
  const [, height, width, channels] = latents.shape;
  const shown = tf.tidy(() => {
    const top = (x: Tensor4D) => tf.slice(x, [0, 0, 0, 0], [SHOWN / 2, size, size, 3]);
    return tf.concat([top(images), top(reconstructions)], 0);
  });
  const { encode, decode } = countAutoencoderMacs(autoencoder.config, { size });
  const statistics = await spectrumOf(reconstructions);
  const report: ReportData['firstStage'] = {
    description: `${typeof model === 'string' ? model : autoencoder.kind.toUpperCase()}, ${((encode + decode) / 1e6).toFixed(1)} M MACs there and back`,
    parameters: autoencoder.parameterCount,
    imageShape: [size, size, 3],
    latentShape: [height, width, channels],
    psnr: await meanPsnr(images, reconstructions),
    grid: await makeImageGrid(shown, { columns: SHOWN / 2 }),
    spectrum: plainSpectrum(statistics),
    errors: await errorsAgainst(statistics, data),
  };
  tf.dispose([images, latents, reconstructions, shown]);
  return report;
}

async function trainingReport(
  { config, folder }: StageContext,
  name: ModelReport['name'],
): Promise<ModelReport['training']> {
  const { steps, batchSize, weights } = modelConfig(config, name);
  const rows = weights ? [] : await readMetrics(folder.stage(name).metrics);
  const parts = Object.keys(rows[0]?.parts ?? {}).filter((part) => part !== 'diffusion' && !part.includes('/'));
  return {
    live: weights === undefined,
    steps,
    batchSize,
    seconds: rows.at(-1)?.seconds ?? null,
    loss: rows.map(({ step, parts: { diffusion } }) => ({ step, loss: diffusion })),
    parts: Object.fromEntries(
      parts.map((part) => [part, rows.map((row) => ({ step: row.step, value: row.parts[part] }))]),
    ),
  };
}

async function firstOf(images: Tensor4D, count: number) {
  const [, height, width, channels] = images.shape;
  const first = tf.slice(images, [0, 0, 0, 0], [count, height, width, channels]);
  const grid = await makeImageGrid(first);
  first.dispose();
  return grid;
}

function describeModel(
  name: ModelReport['name'],
  {
    modelChannels,
    channelMult,
    numResBlocks,
  }: { modelChannels: number; channelMult: readonly number[]; numResBlocks: number | readonly number[] },
): string {
  const widths = channelMult.map((multiplier) => modelChannels * multiplier).join(', ');
  const what = {
    teacher: 'LDM UNet',
    lite: 'the same, narrower, trained alone',
    sd: 'narrow with wavelet gates, distilled with spectrum-aware losses',
  }[name];
  return `${what}: widths ${widths}, ${numResBlocks} residual block${numResBlocks === 1 ? '' : 's'} a level`;
}
