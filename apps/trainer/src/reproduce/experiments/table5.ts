import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { countParameters, type UNetConfig } from '@sd/unet';
import { stringify } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../../config/load-config';
import { RunFolder } from '../../config/run-folder';
import type { ProjectConfig } from '../../config/schema';
import type { ImageDataset } from '../../data/image-dataset';
import { encodeDataset, Latents } from '../../data/latents';
import { openDataset } from '../../data/open-dataset';
import { demoConfig } from '../../demo/demo-config';
import { compareSets } from '../../evaluation/compare-sets';
import { openFeatureExtractor } from '../../evaluation/feature-extractor';
import { generatedImages } from '../../evaluation/generated-images';
import { datasetImages } from '../../evaluation/image-set';
import { ReferenceCache } from '../../evaluation/reference-cache';
import { writeAtomically } from '../../files/atomic-file';
import { loadDiffusionModel } from '../../files/weights-file';
import { formatParameters } from '../../report/format';
import { givenScaleFactor, modelWeights, openFirstStage, runModel } from '../../training/run-stages';
import { type FigureLine, lineFigure } from '../figures/line-figure';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { confidenceInterval, formatInterval } from '../statistics';
import { ABLATION_ROWS, type AblationVariant, OPEN_VARIANTS } from './ablation-variants';

type Size = {
  readonly images: number;
  /** Of the six rows; an open variant has one. */
  readonly seeds: number;
  /** Steps of training; every budget is a training of its own with its own decay of the learning rate. */
  readonly budgets: readonly number[];
  readonly batchSize: number;
  readonly samples: number;
  readonly samplingSteps: number;
};

const SIZES: Readonly<Record<Scale, Size>> = {
  smoke: { images: 8, seeds: 1, budgets: [1], batchSize: 2, samples: 4, samplingSteps: 1 },
  tiny: { images: 4096, seeds: 3, budgets: [500, 2000], batchSize: 32, samples: 500, samplingSteps: 50 },
  small: {
    images: 20_000,
    seeds: 3,
    budgets: [1000, 4000, 16_000],
    batchSize: 128,
    samples: 5000,
    samplingSteps: 50,
  },
  full: { images: 70_000, seeds: 3, budgets: [150_000], batchSize: 256, samples: 50_000, samplingSteps: 200 },
};

const EVALUATION_BATCH = 64;

const measured = z.object({ frechet: z.number(), high: z.number(), low: z.number(), seconds: z.number() });
type Measured = z.infer<typeof measured>;

export const table5: Reproduction = {
  name: 'table5',
  title: 'Table 5: the ablation',
  paper:
    'FID on FFHQ: Lite 17.3, with wavelet gates 14.7; Spectral Diffusion without gates 12.4, without L_spatial 11.4, without L_freq 12.3, whole 10.5.',
  method:
    'Students of one width on dead leaves, from the teacher and the first stage of `sd demo`; all see the same examples, times and noise of a seed, with the same budget. Fréchet distance on SqueezeNet’s features and the frequency errors of Table 1, against the data. Every budget is trained by itself, its learning rate falling to 0. At no scale are these the paper’s data or teacher.',
  run,
};

async function run(context: ReproductionContext) {
  const size = SIZES[context.scale];
  const project = ablationProject(context, size);
  const dataset = await openDataset(project.data, project.seed, context.openProgress, context.report, context.signal);
  const latents = await latentsOf(context, project, dataset);
  const results: { variant: AblationVariant; parameters: number; steps: number; runs: Measured[] }[] = [];
  // All variants of a seed and a budget before the next: what is there when the time is up can be compared.
  const found = new Map<string, Measured[]>();
  for (let i = 0; i < size.seeds; i++) {
    for (const steps of size.budgets) {
      for (const variant of i === 0 ? [...ABLATION_ROWS, ...OPEN_VARIANTS] : ABLATION_ROWS) {
        const key = `${variant.name}-${steps}`;
        const one = await measuredStudent(context, {
          project,
          dataset,
          latents,
          variant,
          steps,
          seed: context.seed + i,
          size,
        });
        found.set(key, [...(found.get(key) ?? []), one]);
      }
    }
  }
  await latents.close();
  for (const variant of [...ABLATION_ROWS, ...OPEN_VARIANTS]) {
    const parameters = countParameters(project.models[variant.name].unet as unknown as UNetConfig);
    for (const steps of size.budgets) {
      results.push({ variant, parameters, steps, runs: found.get(`${variant.name}-${steps}`) ?? [] });
    }
  }
  return outcome(size, results, dataset.description);
}

/** The demo's project with a model for each variant. */
function ablationProject({ seed, folder }: ReproductionContext, { images, batchSize, budgets }: Size): ProjectConfig {
  const base = demoConfig({ out: folder, seed });
  const { teacher, lite } = base.models;
  const student = { ...lite, batchSize, steps: budgets[0] };
  const models = [...ABLATION_ROWS, ...OPEN_VARIANTS].map(({ name, wavelet, distillation }) => [
    name,
    {
      ...student,
      unet: { ...(lite.unet as object), ...(wavelet ? { resample: 'wavelet', wavelet } : {}) },
      ...(distillation ? { distillation: { teacher: 'teacher', ...distillation } } : {}),
    },
  ]);
  const data = { ...base.data, count: images };
  return parseConfig({ ...base, data, models: { teacher, ...Object.fromEntries(models) } }, 'the ablation');
}

/** Encoded once, then read. */
async function latentsOf(
  { folder, openProgress, signal }: ReproductionContext,
  config: ProjectConfig,
  dataset: ImageDataset,
): Promise<Latents> {
  const kept = join(folder, `latents-${dataset.length}-seed${config.seed}`);
  if (existsSync(kept)) return Latents.load(kept);
  const autoencoder = await openFirstStage({ config, folder: new RunFolder(folder) });
  try {
    const scaleFactor = await givenScaleFactor(config);
    const encoded = await encodeDataset(autoencoder, dataset, openProgress, { scaleFactor, signal });
    await encoded.save(kept);
    await encoded.close();
  } finally {
    autoencoder.dispose();
  }
  return Latents.load(kept); // as every later start sees them: in float16
}

type Student = {
  readonly project: ProjectConfig;
  readonly dataset: ImageDataset;
  readonly latents: Latents;
  readonly variant: AblationVariant;
  readonly steps: number;
  readonly seed: number;
  readonly size: Size;
};

/** Trains a student as far as the time goes and measures it; a piece. @throws the signal's reason. */
function measuredStudent(context: ReproductionContext, student: Student): Promise<Measured> {
  const { project, variant, steps, seed, size } = student;
  const { samples, samplingSteps, images } = size;
  const model = { ...project.models[variant.name], steps };
  const settings = { model, data: project.data, samples, samplingSteps, images, seed };
  return context.pieces.get(`${variant.name}-${steps}-seed${seed}`, settings, measured, async () => {
    const folder = new RunFolder(join(context.folder, 'models', `steps-${steps}-seed-${seed}`));
    const config = { ...project, out: folder.root, seed, models: { ...project.models, [variant.name]: model } };
    // For other commands, and for figures of these models: --models.
    await writeAtomically(join(folder.root, 'project.yaml'), stringify({ ...config, out: '.' }));
    const stage = folder.stage(variant.name);
    const { openProgress, signal, report } = context;
    const resume = existsSync(stage.checkpoint);
    const training = { config, folder, resume, precision: 'float32', openProgress, signal, report } as const;
    const { interrupted, seconds } = await runModel(training, variant.name, student.latents);
    if (interrupted) throw signal.reason;
    return { ...(await evaluated(context, student, modelWeights({ config, folder }, variant.name))), seconds };
  });
}

async function evaluated(
  { folder, openProgress, signal, report }: ReproductionContext,
  { project, dataset, variant, seed, size: { samples, samplingSteps } }: Student,
  weights: string,
): Promise<Omit<Measured, 'seconds'>> {
  const { unet, denoiser, metadata } = await loadDiffusionModel(weights);
  const autoencoder = await openFirstStage({ config: project, folder: new RunFolder(folder) });
  const extractor = await openFeatureExtractor(undefined);
  try {
    const scheduler = schedulerFromConfig(metadata.scheduler);
    const pipeline = { unet, scheduler, autoencoder, scaleFactor: metadata.scaleFactor };
    const description = `${samples} samples of ${variant.name}`;
    const drawing = { description, count: samples, steps: samplingSteps, eta: 0, key: randomKey(seed), signal };
    const { metrics } = await compareSets(
      generatedImages(pipeline, dataset.size, drawing),
      datasetImages(dataset, Math.min(dataset.length, 2 * samples)),
      {
        extractor,
        cache: new ReferenceCache(join(folder, 'references')),
        batchSize: Math.min(EVALUATION_BATCH, samples),
        keptRows: samples,
        openProgress,
        signal,
        report,
      },
    );
    const { frechetSqueezeNet = Number.NaN, highFrequencyError, lowFrequencyError } = metrics;
    return { frechet: frechetSqueezeNet, high: highFrequencyError, low: lowFrequencyError };
  } finally {
    denoiser.dispose();
    autoencoder.dispose();
    extractor.dispose();
  }
}

type Result = {
  readonly variant: AblationVariant;
  readonly parameters: number;
  readonly steps: number;
  readonly runs: readonly Measured[];
};

function outcome(size: Size, results: readonly Result[], data: string) {
  const interval = ({ runs }: Result, value: keyof Measured) => confidenceInterval(runs.map((one) => one[value]));
  const longest = Math.max(...size.budgets);
  const ordered = (fid: (result: Result) => number) =>
    results
      .filter(({ steps, variant }) => steps === longest && variant.fid !== undefined)
      .sort((a, b) => fid(a) - fid(b))
      .map(({ variant }) => variant.label)
      .join(', ');
  return {
    settings: { ...size, data },
    values: { results },
    figures: size.budgets.length > 1 ? [budgetFigure(results, interval)] : [],
    tables: [
      {
        title: 'The ablation',
        note: `Mean and 95 % interval over ${size.seeds} seed${size.seeds > 1 ? 's' : ''} of the six rows, one seed of the open variants. The paper’s FIDs are of other data, other models and another network: compare the order.`,
        columns: [
          'student',
          'parameters',
          'steps',
          'Fréchet, SqueezeNet',
          'high-frequency error',
          'FID on FFHQ, paper',
        ],
        rows: results.map((result) => [
          result.variant.label,
          formatParameters(result.parameters),
          String(result.steps),
          formatInterval(interval(result, 'frechet'), 2),
          formatInterval(interval(result, 'high'), 3),
          result.variant.fid === undefined ? null : String(result.variant.fid),
        ]),
      },
    ],
    findings: [
      `From best to worst after ${longest} steps, by the mean Fréchet distance: ${ordered((result) => interval(result, 'frechet').mean)}.`,
      `In the paper, by FID: ${ordered(({ variant }) => variant.fid ?? Number.NaN)}.`,
    ],
  };
}

function budgetFigure(
  results: readonly Result[],
  interval: (result: Result, value: keyof Measured) => { readonly mean: number },
) {
  const lines = ABLATION_ROWS.map(({ name, label }): FigureLine => {
    const own = results.filter(({ variant }) => variant.name === name);
    return {
      label,
      points: own.map((result) => [result.steps, interval(result, 'frechet').mean] as const),
      style: { symbol: 'circle' },
    };
  });
  return {
    name: 'table5-budget',
    title: 'The order against the budget',
    caption: 'Mean Fréchet distance on SqueezeNet’s features of the six students over the steps of their training.',
    svg: lineFigure({
      title: 'Fréchet distance of the ablation’s students over training steps',
      x: { name: 'training steps', logarithmic: true },
      y: { name: 'Fréchet distance', logarithmic: true },
      lines,
    }),
  };
}
