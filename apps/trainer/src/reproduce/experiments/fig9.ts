import { foldIn, randomKey } from '@sd/core';
import { z } from 'zod';
import { Latents } from '../../data/latents';
import { gateCurves } from '../../demo/evaluate';
import { BANDS } from '../../report/line-style';
import { lineFigure } from '../figures/line-figure';
import { MissingModels } from '../missing-models';
import type { Piece } from '../pieces';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { hasGates, TrainedRun } from '../trained-run';

const SIZES: Readonly<Record<Scale, { readonly images: number; readonly times: number }>> = {
  smoke: { images: 2, times: 2 },
  tiny: { images: 100, times: 11 },
  small: { images: 100, times: 21 },
  full: { images: 100, times: 21 },
};

const curve = z.object({ mean: z.array(z.number()), deviation: z.array(z.number()) });
const gates = z.array(
  z.object({
    module: z.string(),
    direction: z.enum(['down', 'up']),
    t: z.array(z.number()),
    bands: z.object({ ll: curve, lh: curve, hl: curve, hh: curve }),
  }),
);
type Curves = z.infer<typeof gates>;

export const fig9: Reproduction = {
  name: 'fig9',
  title: 'Figure 9: the gates over t',
  paper:
    'Mean gate of each band over t with its deviation over 100 images, of the text-to-image model: the trends of WG-Down and WG-Up diverge.',
  method:
    'Images of the data, noised to each t, go through every model with wavelet gates; mean and standard deviation are over images and channels. The trend of a band is its mean gate at the largest t less that at the smallest.',
  run: (context) => TrainedRun.with(context, (run) => observe(run, context)),
};

async function observe(run: TrainedRun, { scale, seed, pieces }: ReproductionContext) {
  const size = SIZES[scale];
  const latents = await Latents.load(run.folder.latents);
  const images = Math.min(size.images, latents.length);
  const wanted: Piece<Curves>[] = [];
  const models: { name: string; curves: Curves }[] = [];
  try {
    for (const name of run.names) {
      const settings = { ...(await run.identity(name)), images, times: size.times, seed };
      const compute = () =>
        run.withModel(name, async (model): Promise<Curves> => {
          if (!hasGates(model)) return [];
          const last = model.scheduler.alphasCumprod.length - 1;
          const times = Array.from({ length: size.times }, (_, i) => Math.round((i * last) / (size.times - 1)));
          const key = foldIn(randomKey(seed), 'fig9');
          return gates.parse(await gateCurves(model.unet, model.scheduler, latents, key, { images, times }));
        });
      wanted.push({ name, settings, compute });
    }
    for (const [i, curves] of (await pieces.all(gates, wanted)).entries()) {
      if (curves.length > 0) models.push({ name: run.names[i], curves });
    }
  } finally {
    await latents.close();
  }
  if (models.length === 0) throw new MissingModels('fig9: no finished model has wavelet gates', 'sd demo');
  return {
    settings: { images, times: size.times, data: run.data },
    values: { models },
    figures: models.flatMap(({ name, curves }) =>
      curves.map(({ module, direction, t, bands }) => ({
        name: `fig9-${name}-${module.replace(/[^a-z0-9]+/g, '-')}`,
        title: `${name}: WG-${direction === 'down' ? 'Down' : 'Up'} at ${module}`,
        caption: `Mean gate of each band of ${module} over t, shaded by one standard deviation.`,
        svg: lineFigure({
          title: `Gates of ${module} of ${name} over t`,
          x: { name: 't (data on the left, noise on the right)', min: 0, max: Math.max(...t) + 1 },
          y: { name: 'gate', min: 0, max: 1 },
          lines: BANDS.map(({ key, label }) => ({
            label,
            points: t.map((time, i) => [time, bands[key].mean[i]] as const),
            deviation: bands[key].deviation,
          })),
        }),
      })),
    ),
    tables: [
      {
        title: 'Trends',
        note: 'Mean gate at the largest t less that at the smallest, by module and band.',
        columns: ['model', 'module', 'direction', ...BANDS.map(({ label }) => label)],
        rows: models.flatMap(({ name, curves }) =>
          curves.map((one) => [
            name,
            one.module,
            one.direction,
            ...BANDS.map(({ key }) => signed(trend(one.bands[key].mean))),
          ]),
        ),
      },
    ],
    findings: models.flatMap(({ name, curves }) => divergence(name, curves)),
  };
}

const trend = (mean: readonly number[]) => mean[mean.length - 1] - mean[0];
const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;

/** Says of each band which way the gates of both directions go. */
function divergence(name: string, curves: Curves): string[] {
  const average = (direction: 'down' | 'up', band: keyof Curves[number]['bands']) => {
    const own = curves.filter((one) => one.direction === direction).map(({ bands }) => trend(bands[band].mean));
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  };
  return BANDS.map(({ key, label }) => {
    const [down, up] = [average('down', key), average('up', key)];
    return `${name}, ${label}: from data to noise the mean gate of WG-Down changes by ${signed(down)}, that of WG-Up by ${signed(up)}: ${down * up < 0 ? 'they diverge' : 'they go the same way'}.`;
  });
}
