import { join } from 'node:path';
import { foldIn, normal, randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { StageFolder } from '../../config/run-folder';
import type { Progress } from '../../console/progress';
import { trainLoop } from '../../training/train-loop';
import { lineFigure } from '../figures/line-figure';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { confidenceInterval, formatInterval } from '../statistics';
import { ToyDenoiser } from './toy/toy-denoiser';
import { countFrequencies, MAJORITY, MINORITY } from './toy/toy-signals';
import { ToyTask } from './toy/toy-task';

/** Hidden widths. */
const WIDTHS = [64, 1024];
/** Samples of a signal. */
const LENGTH = 64;
const SHOWN_FREQUENCIES = 12;
const BATCH = 64;
const LEARNING_RATE = 1e-3;

type Size = {
  readonly seeds: number;
  readonly steps: number;
  readonly samples: number;
  readonly samplingSteps: number;
};

const SIZES: Readonly<Record<Scale, Size>> = {
  smoke: { seeds: 1, steps: 20, samples: 8, samplingSteps: 5 },
  tiny: { seeds: 5, steps: 1000, samples: 300, samplingSteps: 1000 },
  small: { seeds: 20, steps: 1000, samples: 300, samplingSteps: 1000 },
  full: { seeds: 20, steps: 1000, samples: 300, samplingSteps: 1000 },
};

const drawn = z.object({ minority: z.number(), majority: z.number(), magnitudes: z.array(z.number()) });

export const fig4: Reproduction = {
  name: 'fig4',
  title: 'Figure 4: a small model loses the rare frequency',
  paper:
    'Signals cos(a 2π x) with P(a = 3) = 0.2 and P(a = 5) = 0.8: of 300 samples, a two-layer MLP of hidden width 64 misses the minority frequency, which one of width 1024 recovers.',
  method: `The paper's "1000 steps" are taken for both the steps of training and the diffusion's timesteps. Signals of ${LENGTH} samples, an MLP [x_t, embedded t] → SiLU → ε, batches of ${BATCH}, AdamW from ${LEARNING_RATE} falling linearly to 0, DDPM's betas 1e-4 to 0.02, ancestral sampling. A sample counts for the frequency of its largest DFT magnitude; the recovered share is that of frequency ${MINORITY.frequency}.`,
  run,
};

async function run(context: ReproductionContext) {
  const { scale, seed } = context;
  const size = SIZES[scale];
  const wanted = WIDTHS.flatMap((hidden) =>
    Array.from({ length: size.seeds }, (_, i) => {
      const name = `m${hidden}-seed${seed + i}`;
      const settings = { ...size, seeds: undefined, hidden, seed: seed + i, BATCH, LEARNING_RATE, LENGTH };
      return { name, settings, compute: () => trained(context, name, hidden, seed + i, size) };
    }),
  );
  const drawnRuns = await context.pieces.all(drawn, wanted);
  const models = WIDTHS.map((hidden, i) => ({
    hidden,
    runs: drawnRuns.slice(i * size.seeds, (i + 1) * size.seeds),
  }));
  const rows = models.map(({ hidden, runs }) => ({
    hidden,
    minority: confidenceInterval(runs.map(({ minority }) => minority)),
    majority: confidenceInterval(runs.map(({ majority }) => majority)),
    other: confidenceInterval(runs.map(({ minority, majority }) => Math.max(0, 1 - minority - majority))),
  }));
  return {
    settings: { ...size, widths: WIDTHS, length: LENGTH, batchSize: BATCH, learningRate: LEARNING_RATE },
    values: { models },
    figures: [
      {
        name: 'fig4-magnitudes',
        title: 'DFT magnitudes of the samples',
        caption: `Mean DFT magnitude of ${size.samples} samples over frequency${size.seeds > 1 ? `, shaded by the standard deviation over ${size.seeds} seeds` : ''}; the data has half of a share's size at its frequency.`,
        svg: magnitudesFigure(models),
      },
    ],
    tables: [
      {
        title: 'Shares of the samples',
        note: size.seeds > 1 ? `With 95 % intervals over ${size.seeds} seeds.` : 'Of one seed.',
        columns: ['model', `a = ${MINORITY.frequency}`, `a = ${MAJORITY.frequency}`, 'another frequency'],
        rows: [
          ['data', MINORITY.probability.toFixed(3), MAJORITY.probability.toFixed(3), '0.000'],
          ...rows.map(({ hidden, ...shares }) => [
            `M = ${hidden}`,
            ...(['minority', 'majority', 'other'] as const).map((share) => formatInterval(shares[share], 3)),
          ]),
        ],
      },
    ],
    findings: rows.map(({ hidden, minority }) => {
      const { low, high, mean } = minority;
      const where = !Number.isFinite(low)
        ? 'of one seed'
        : low > MINORITY.probability
          ? 'above the data’s share'
          : high < MINORITY.probability
            ? 'below the data’s share'
            : 'which includes the data’s share';
      const interval = Number.isFinite(low) ? `, interval ${low.toFixed(3)} to ${high.toFixed(3)}` : '';
      return `Width ${hidden}: ${(100 * mean).toFixed(1)} % of the samples have the minority frequency${interval}, ${where} of ${MINORITY.probability}.`;
    }),
  };
}

async function trained(
  { folder, openProgress, signal }: ReproductionContext,
  name: string,
  hidden: number,
  seed: number,
  { steps, samples, samplingSteps }: Size,
): Promise<z.infer<typeof drawn>> {
  const key = foldIn(foldIn(randomKey(seed), 'fig4'), hidden);
  const denoiser = new ToyDenoiser(LENGTH, hidden);
  const scheduler = schedulerFromConfig({ _class_name: 'DDPMScheduler', clip_sample: false });
  const task = new ToyTask({ denoiser, scheduler, length: LENGTH, batchSize: BATCH, key });
  let progress: Progress | undefined;
  try {
    await trainLoop(task, {
      training: {
        steps,
        batchSize: BATCH,
        learningRate: LEARNING_RATE,
        weightDecay: 0,
        betas: [0.9, 0.999],
        warmupSteps: 0,
        maxGradientNorm: 1,
        emaDecay: 0,
        checkpointEvery: steps,
        keepCheckpoints: 1,
        keepBest: false,
        onBadLoss: 'stop',
      },
      folder: new StageFolder(join(folder, 'models', name)),
      key,
      resume: false,
      openProgress,
      signal,
    });
    signal.throwIfAborted();
    progress = openProgress(`sample ${name}`, samplingSteps, 'step');
    const noise = normal(foldIn(key, 'start'), [samples, LENGTH]) as Tensor2D;
    const model = (x: Tensor2D, t: number) => denoiser.forward(x, new Array<number>(samples).fill(t));
    const x0 = await scheduler
      .sample<Tensor2D>(model, noise, {
        steps: samplingSteps,
        key: foldIn(key, 'sample'),
        onStep: ({ step }) => progress?.update(step),
        signal,
      })
      .finally(() => tf.dispose(noise));
    const values = await x0.data<'float32'>();
    x0.dispose();
    return countFrequencies(values, LENGTH);
  } finally {
    progress?.stop();
    task.dispose();
  }
}

function magnitudesFigure(models: readonly { readonly hidden: number; readonly runs: z.infer<typeof drawn>[] }[]) {
  const frequencies = Array.from({ length: SHOWN_FREQUENCIES + 1 }, (_, f) => f);
  const truth = (f: number) => [MINORITY, MAJORITY].find(({ frequency }) => frequency === f)?.probability ?? 0;
  return lineFigure({
    title: 'Mean DFT magnitude of samples over frequency',
    x: { name: 'frequency a', min: 0, max: SHOWN_FREQUENCIES },
    y: { name: 'mean |DFT|', min: 0 },
    lines: [
      {
        label: 'data',
        points: frequencies.map((f) => [f, truth(f) / 2]),
        style: { color: '#333', width: 2.5, symbol: 'circle' },
      },
      ...models.map(({ hidden, runs }) => {
        const at = frequencies.map((f) => runs.map(({ magnitudes }) => magnitudes[f]));
        const means = at.map((values) => values.reduce((sum, value) => sum + value, 0) / values.length);
        return {
          label: `M = ${hidden}`,
          points: frequencies.map((f) => [f, means[f]] as const),
          deviation: at.map((values, f) =>
            Math.sqrt(values.reduce((sum, value) => sum + (value - means[f]) ** 2, 0) / values.length),
          ),
          style: { symbol: 'circle' as const },
        };
      }),
    ],
  });
}
