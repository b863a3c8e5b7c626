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

type Size = { readonly samples: number; readonly dataImages: number; readonly shown: number; readonly steps?: number };

const SIZES: Readonly<Record<Scale, Size>> = {
  smoke: { samples: 2, dataImages: 4, shown: 2, steps: 2 },
  tiny: { samples: 64, dataImages: 1024, shown: 6 },
  small: { samples: 500, dataImages: 10_000, shown: 6 },
  full: { samples: 1000, dataImages: 50_000, shown: 6 },
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
  const { samples, dataImages, shown, steps = run.config.sampling.steps } = SIZES[scale];
  const data = await run.dataSpectrum(dataImages, signal);
  const { eta } = run.config.sampling;
  const wanted: Piece<z.infer<typeof evolution>>[] = [];
  for (const name of run.names) {
    const settings = { ...(await run.identity(name)), samples, dataImages, shown, steps, eta, seed };
    const compute = () =>
      run.withModel(name, async (model) => {
        const kept = new Map<number, Tensor4D>();
        const wanted = shownSteps(steps, shown);
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
    settings: { samples, dataImages, steps, eta, data: run.dataset.description },
    values: { models, data: toPlainSpectrum(data) },
    figures: models.map(({ name, predictions }) => ({
      name: `fig2-${name}`,
      title: `Predicted x₀ of ${name}`,
      caption: `Mean power over frequency of the x₀ that ${name} predicts, from much noise (large t) to little.`,
      svg: spectrumFigure(
        `Power of the predicted image of ${name} over frequency, by timestep`,
        toPlainSpectrum(data),
        predictions.map(({ t, spectrum }) => ({ label: `t = ${t}`, spectrum })),
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
      const half = (band: 'low' | 'high') => {
        const [first, last] = [predictions[0][band], predictions[predictions.length - 1][band]];
        return predictions.find((prediction) => prediction[band] <= (first + last) / 2)?.t;
      };
      return `${name}: half of the fall in error is reached by t = ${half('low') ?? 'none'} at low and by t = ${half('high') ?? 'none'} at high frequencies.`;
    }),
  };
}
