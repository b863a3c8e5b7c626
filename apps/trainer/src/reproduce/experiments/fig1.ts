import { foldIn, randomKey } from '@sd/core';
import { frequencyErrors } from '@sd/spectral-loss';
import { countMacs, countParameters, presets } from '@sd/unet';
import { z } from 'zod';
import { spectrumOf } from '../../demo/evaluate';
import { formatMacs, formatParameters } from '../../report/format';
import { sampleImages } from '../../sampling/sample-images';
import { lineFigure } from '../figures/line-figure';
import { type PlainSpectrum, plainSpectrum, toPlainSpectrum } from '../figures/spectrum-lines';
import { MissingModels } from '../missing-models';
import type { Piece } from '../pieces';
import { CLASS_CONDITIONAL } from '../published';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Outcome } from '../reproduction-result';
import type { Scale } from '../scale';
import { comparedModels, TrainedRun } from '../trained-run';

type Size = { readonly samples: number; readonly dataImages: number; readonly steps?: number };

const SIZES: Readonly<Record<Scale, Size>> = {
  smoke: { samples: 2, dataImages: 4, steps: 2 },
  tiny: { samples: 128, dataImages: 1024 },
  small: { samples: 1000, dataImages: 10_000 },
  full: { samples: 10_000, dataImages: 50_000 },
};

const gap = z.object({ low: z.number(), high: z.number(), spectrum: plainSpectrum });

export const fig1: Reproduction = {
  name: 'fig1',
  title: 'Figure 1: the frequency gap, and quality against cost',
  paper:
    '(1) Lite-LDM does not recover fine textures of faces, Spectral Diffusion does. (2) On ImageNet, SD has far fewer parameters and MACs than LDM at a moderate FID.',
  method:
    '(1) The mean log-power of each model’s samples less that of the data, over frequency: 0 is no gap. (2) The published FIDs over the MACs of our configurations, which are the published ones.',
  async run(context) {
    const cost = costAgainstQuality();
    try {
      const { figures, findings, ...rest } = await TrainedRun.with(context, (run) => measureGap(run, context));
      return { ...rest, figures: [...figures, cost.figure], findings: [...findings, cost.finding] };
    } catch (error) {
      if (!(error instanceof MissingModels)) throw error;
      const findings = [`Part (1) was not run: ${error.message}.`, cost.finding];
      return { settings: {}, values: {}, figures: [cost.figure], tables: [], findings };
    }
  },
};

async function measureGap(run: TrainedRun, context: ReproductionContext): Promise<Outcome> {
  const { scale, seed, pieces, signal, openProgress } = context;
  const { samples, dataImages, steps = run.config.sampling.steps } = SIZES[scale];
  const { eta } = run.config.sampling;
  const data = await run.dataSpectrum(dataImages, signal);
  const names = comparedModels(run.names);
  const wanted: Piece<z.infer<typeof gap>>[] = [];
  for (const name of names) {
    const settings = { ...(await run.identity(name)), samples, dataImages, steps, eta, seed };
    const compute = () =>
      run.withModel(name, async (model) => {
        const key = foldIn(randomKey(seed), 'fig1');
        const label = `sample ${name}`;
        const images = await sampleImages(model, { count: samples, steps, eta, key, label, openProgress, signal });
        const statistics = await spectrumOf(images);
        images.dispose();
        return { ...(await frequencyErrors(statistics, data)), spectrum: toPlainSpectrum(statistics) };
      });
    wanted.push({ name, settings, compute });
  }
  const found = await pieces.all(gap, wanted);
  const models = names.map((name, i) => ({ name, ...found[i] }));
  const firstStage = toPlainSpectrum(await run.reconstructionSpectrum(samples));
  const own = toPlainSpectrum(data);
  const above = ({ frequency, power }: PlainSpectrum) =>
    frequency.map((f, i) => [f, 10 * Math.log10(power[i] / own.power[i])] as const);
  return {
    settings: { samples, dataImages, steps, eta, data: run.data },
    values: { models, firstStage, data: own },
    figures: [
      {
        name: 'fig1-gap',
        title: 'The frequency gap',
        caption: `Power of ${samples} samples of each model less that of the data, in decibels, over frequency; and that of data which went through the first stage and back.`,
        svg: lineFigure({
          title: 'Power of the samples less that of the data over frequency',
          x: { name: 'frequency r (1 = Nyquist)', min: 0, max: 1 },
          y: { name: 'dB, samples over data' },
          lines: [
            { label: 'data', points: own.frequency.map((f) => [f, 0]), style: { color: '#333', width: 2.5 } },
            ...models.map(({ name, spectrum }) => ({ label: name, points: above(spectrum) })),
            { label: 'first stage alone', points: above(firstStage), style: { color: '#777', dash: [2, 3] } },
          ],
        }),
      },
    ],
    tables: [
      {
        title: 'Errors',
        note: 'As in Table 1, in nats of power, of one seed.',
        columns: ['model', 'low', 'high'],
        rows: models.map(({ name, low, high }) => [name, low.toFixed(3), high.toFixed(3)]),
      },
    ],
    findings: [...models, { name: 'The first stage alone', spectrum: firstStage }].map(({ name, spectrum }) => {
      const high = above(spectrum).flatMap(([f, decibels]) => (f >= 0.25 ? [decibels] : []));
      const mean = high.reduce((sum, value) => sum + value, 0) / high.length;
      return `${name}: ${mean < 0 ? 'lacks' : 'has'} ${Math.abs(mean).toFixed(2)} dB ${mean < 0 ? '' : 'too much '}at frequencies from 0.25 of Nyquist’s on, on the mean over them.`;
    }),
  };
}

/** Part (2): published numbers over counted sizes. */
function costAgainstQuality() {
  const models = CLASS_CONDITIONAL.map(({ model, preset, fid }) => ({
    model,
    fid: fid ?? Number.NaN,
    macs: countMacs(presets[preset]),
    parameters: countParameters(presets[preset]),
  }));
  const [ldm, , sd] = models;
  return {
    figure: {
      name: 'fig1-cost',
      title: 'Quality against cost on ImageNet',
      caption:
        'Published FID (guidance of 3.0) over the MACs of one denoising step; the numbers of parameters stand beside the names.',
      svg: lineFigure({
        title: 'FID on ImageNet over multiply-accumulates',
        x: { name: 'MACs of a step (G)', logarithmic: true, min: 5, max: 200 },
        y: { name: 'FID, published', min: 0, max: 25 },
        lines: models.map(({ model, macs, parameters, fid }) => ({
          label: `${model}, ${formatParameters(parameters)}`,
          points: [[macs / 1e9, fid] as const],
          style: { symbol: 'circle' as const },
        })),
      }),
    },
    finding: `On ImageNet SD has ${(ldm.parameters / sd.parameters).toFixed(1)} times fewer parameters and ${(ldm.macs / sd.macs).toFixed(1)} times fewer MACs than LDM (${formatMacs(sd.macs)} against ${formatMacs(ldm.macs)}), by our count; its published FID is ${sd.fid} against ${ldm.fid}.`,
  };
}
