import { foldIn, randomKey } from '@sd/core';
import { frequencyErrors } from '@sd/spectral-loss';
import { z } from 'zod';
import { spectrumOf } from '../../demo/evaluate';
import { sampleImages } from '../../sampling/sample-images';
import { plainSpectrum, spectrumFigure, toPlainSpectrum } from '../figures/spectrum-lines';
import type { Piece } from '../pieces';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { confidenceInterval, formatInterval, type Interval } from '../statistics';
import { comparedModels, TrainedRun } from '../trained-run';

type Size = { readonly samples: number; readonly seeds: number; readonly dataImages: number; readonly steps?: number };

const SIZES: Readonly<Record<Scale, Size>> = {
  smoke: { samples: 2, seeds: 1, dataImages: 4, steps: 2 },
  tiny: { samples: 128, seeds: 3, dataImages: 1024 },
  small: { samples: 1000, seeds: 5, dataImages: 10_000 },
  full: { samples: 10_000, seeds: 5, dataImages: 50_000 },
};

const measured = z.object({ low: z.number(), high: z.number(), spectrum: plainSpectrum });

export const table1: Reproduction = {
  name: 'table1',
  title: 'Table 1: low- and high-frequency error',
  paper:
    'A slim LDM errs at high frequencies above all; Spectral Diffusion mends that. How the errors are defined is not printed, so the numbers do not compare.',
  method:
    'Of each image the orthonormal DFT of luma; a band’s error is the mean over its radial bins of |mean log-power of the samples - mean log-power of the data|, in nats; low is r < 0.25 of Nyquist’s frequency, high the rest. Samples and data are not paired.',
  run: (context) => TrainedRun.with(context, (run) => compare(run, context)),
};

async function compare(run: TrainedRun, context: ReproductionContext) {
  const { scale, seed, pieces, signal, openProgress } = context;
  const { samples, seeds, dataImages, steps = run.config.sampling.steps } = SIZES[scale];
  const data = await run.dataSpectrum(dataImages, signal);
  const { eta } = run.config.sampling;
  const names = comparedModels(run.names);
  const wanted: Piece<z.infer<typeof measured>>[] = [];
  for (const name of names) {
    const identity = await run.identity(name);
    for (let i = 0; i < seeds; i++) {
      const label = `sample ${name}, seed ${seed + i}`;
      const settings = { ...identity, samples, dataImages, steps, eta, seed: seed + i };
      const compute = () =>
        run.withModel(name, async (model) => {
          const key = foldIn(randomKey(seed + i), 'table1');
          const images = await sampleImages(model, { count: samples, steps, eta, key, label, openProgress, signal });
          const statistics = await spectrumOf(images);
          images.dispose();
          return { ...(await frequencyErrors(statistics, data)), spectrum: toPlainSpectrum(statistics) };
        });
      wanted.push({ name: `${name}-seed${seed + i}`, settings, compute });
    }
  }
  const found = await pieces.all(measured, wanted);
  const models = names.map((name, i) => ({ name, runs: found.slice(i * seeds, (i + 1) * seeds) }));
  const firstStage = await frequencyErrors(await run.reconstructionSpectrum(samples), data);
  const rows = models.map(({ name, runs }) => ({
    name,
    low: confidenceInterval(runs.map(({ low }) => low)),
    high: confidenceInterval(runs.map(({ high }) => high)),
  }));
  return {
    settings: { samples, seeds, dataImages, steps, eta, data: run.data },
    values: { models, firstStage, data: toPlainSpectrum(data) },
    figures: [
      {
        name: 'table1-spectra',
        title: 'Spectra',
        caption: 'Mean power of the data and of each model’s samples of the first seed over frequency.',
        svg: spectrumFigure(
          'Power of data and samples over frequency',
          toPlainSpectrum(data),
          models.map(({ name, runs: [{ spectrum }] }) => ({ label: name, spectrum })),
        ),
      },
    ],
    tables: [
      {
        title: 'Frequency errors',
        note: `In nats of power, ${samples} samples each${seeds > 1 ? `, 95 % intervals over ${seeds} seeds of the sampling` : ''}; smaller is closer to the data.`,
        columns: ['model', 'low', 'high'],
        rows: [
          ['first stage alone', firstStage.low.toFixed(3), firstStage.high.toFixed(3)],
          ...rows.map(({ name, low, high }) => [name, formatInterval(low, 3), formatInterval(high, 3)]),
        ],
      },
    ],
    findings: (['high', 'low'] as const).flatMap((band) => ranking(band, rows)),
  };
}

type Row = { readonly name: string; readonly low: Interval; readonly high: Interval };

/** Says which of two students is closer to the data, and whether the intervals part. */
function ranking(band: 'low' | 'high', rows: readonly Row[]): string[] {
  const of = (...names: string[]) => rows.find(({ name }) => names.includes(name))?.[band];
  const [lite, sd] = [of('lite'), of('sd', 'full')];
  if (!lite || !sd) return [];
  const apart = sd.high < lite.low || lite.high < sd.low;
  const closer = sd.mean < lite.mean ? 'SD' : 'Lite';
  const sure = apart ? 'the intervals part' : 'the intervals do not part';
  return [
    `${band === 'high' ? 'High' : 'Low'} frequencies: ${closer} is closer to the data (${sd.mean.toFixed(3)} for SD, ${lite.mean.toFixed(3)} for Lite); ${sure}.`,
  ];
}
