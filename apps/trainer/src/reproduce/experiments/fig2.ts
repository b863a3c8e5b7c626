import { foldIn, randomKey } from '@sd/core';
import { frequencyErrors } from '@sd/spectral-loss';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { decodeLatents } from '../../data/latents';
import { spectrumOf } from '../../demo/evaluate';
import { shownSteps } from '../../sampling/prediction-strip';
import { sampleLatents } from '../../sampling/sample-images';
import { plainSpectrum, spectrumFigure, toPlainSpectrum } from '../figures/spectrum-lines';
import type { Piece } from '../pieces';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { TrainedRun } from '../trained-run';

type Size = {
  readonly samples: number;
  readonly dataImages: number;
  /** Steps whose predictions are measured; every second one of them is drawn. */
  readonly measured: number;
  readonly steps?: number;
};

const SIZES: Readonly<Record<Scale, Size>> = {
  smoke: { samples: 2, dataImages: 4, measured: 2, steps: 2 },
  tiny: { samples: 64, dataImages: 1024, measured: 13 },
  small: { samples: 500, dataImages: 10_000, measured: 13 },
  full: { samples: 1000, dataImages: 50_000, measured: 13 },
};

const evolution = z.array(z.object({ t: z.number(), low: z.number(), high: z.number(), spectrum: plainSpectrum }));

export const fig2: Reproduction = {
  name: 'fig2',
  title: 'Figure 2: frequencies come in from low to high',
  paper:
    'While a trained model denoises, the x₀ that it predicts gains low frequencies first and high frequencies last.',
  method:
    'Samples of each trained model; at some of the steps the predicted x₀ is decoded, and its mean spectrum stands beside the data’s. Errors are those of Table 1.',
  run: (context) => TrainedRun.with(context, (run) => follow(run, context)),
};

async function follow(run: TrainedRun, context: ReproductionContext) {
  const { scale, seed, pieces, signal } = context;
  const { samples, dataImages, measured, steps = run.config.sampling.steps } = SIZES[scale];
  const data = await run.dataSpectrum(dataImages, signal);
  const { eta } = run.config.sampling;
  const wanted: Piece<z.infer<typeof evolution>>[] = [];
  for (const name of run.names) {
    const settings = { ...(await run.identity(name)), samples, dataImages, measured, steps, eta, seed };
    const compute = () =>
      run.withModel(name, async (model) => {
        const kept = new Map<number, Tensor4D>();
        const wanted = shownSteps(steps, measured);
        try {
          const key = foldIn(randomKey(seed), 'fig2');
          const latents = await sampleLatents(model, {
            count: samples,
            batchSize: samples,
            steps,
            eta,
            key,
            label: `sample ${name}`,
            openProgress: context.openProgress,
            signal,
            onPredictions: (seen) => {
              if (wanted.includes(seen.step)) kept.set(seen.step, tf.clone(seen.predictedX0));
            },
          });
          latents.dispose();
          const timesteps = model.scheduler.timesteps(steps);
          const found: z.infer<typeof evolution> = [];
          for (const [step, x0] of kept) {
            const images = decodeLatents(model.autoencoder, x0, model.scaleFactor);
            const statistics = await spectrumOf(images);
            images.dispose();
            const errors = await frequencyErrors(statistics, data);
            found.push({ t: timesteps[step - 1], ...errors, spectrum: toPlainSpectrum(statistics) });
          }
          return found;
        } finally {
          tf.dispose([...kept.values()]);
        }
      });
    wanted.push({ name, settings, compute });
  }
  const found = await pieces.all(evolution, wanted);
  const models = run.names.map((name, i) => ({ name, predictions: found[i] }));
  return {
    settings: { samples, dataImages, steps, eta, data: run.data },
    values: { models, data: toPlainSpectrum(data) },
    figures: models.map(({ name, predictions }) => ({
      name: `fig2-${name}`,
      title: `Predicted x₀ of ${name}`,
      caption: `Mean power over frequency of the x₀ that ${name} predicts, from much noise (large t) to little.`,
      svg: spectrumFigure(
        `Power of the predicted image of ${name} over frequency, by timestep`,
        toPlainSpectrum(data),
        predictions.flatMap(({ t, spectrum }, i) => (i % 2 === 0 ? [{ label: `t = ${t}`, spectrum }] : [])),
      ),
    })),
    tables: [
      {
        title: 'Errors of the predicted x₀',
        note: 'In nats of power.',
        columns: ['model', 't', 'low', 'high'],
        rows: models.flatMap(({ name, predictions }) =>
          predictions.map(({ t, low, high }) => [name, String(t), low.toFixed(3), high.toFixed(3)]),
        ),
      },
    ],
    findings: models.map(({ name, predictions }) => {
      const [low, high] = (['low', 'high'] as const).map((band) => halfway(predictions, band));
      if (low === undefined || high === undefined)
        return `${name}: its errors do not fall from the first step to the last.`;
      const order = low > high ? 'the low frequencies come first' : 'the low frequencies do not come first';
      return `${name}: half of the fall in error is reached at t = ${Math.round(low)} at low and at t = ${Math.round(high)} at high frequencies: ${order}.`;
    }),
  };
}

/** The t at which an error is halfway between what it is at the first and at the last step, between two steps by a line. */
function halfway(predictions: z.infer<typeof evolution>, band: 'low' | 'high'): number | undefined {
  const [first, last] = [predictions[0][band], predictions[predictions.length - 1][band]];
  if (!(last < first)) return undefined;
  const middle = (first + last) / 2;
  const i = predictions.findIndex((prediction) => prediction[band] <= middle); // not the first one
  const [before, after] = [predictions[i - 1], predictions[i]];
  const share = (before[band] - middle) / (before[band] - after[band]);
  return before.t + share * (after.t - before.t);
}
