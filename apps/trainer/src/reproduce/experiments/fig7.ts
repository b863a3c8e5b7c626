import { foldIn, randomKey } from '@sd/core';
import { makeImageGrid } from '../../report/image-grid';
import type { ImageGrid } from '../../report/report-data';
import { sampleImages } from '../../sampling/sample-images';
import { pictureFigure } from '../figures/picture-figure';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { TrainedRun } from '../trained-run';

const SIZES: Readonly<Record<Scale, { readonly count: number; readonly steps?: number }>> = {
  smoke: { count: 1, steps: 2 },
  tiny: { count: 16 },
  small: { count: 16 },
  full: { count: 16, steps: 200 },
};

export const fig7: Reproduction = {
  name: 'fig7',
  title: 'Figure 7: samples',
  paper: 'Samples of Spectral Diffusion at 256 px, unconditional.',
  method: 'Pictures of the data, and samples of every finished model from the same noise, none chosen.',
  run: (context) => TrainedRun.with(context, (run) => draw(run, context)),
};

async function draw(run: TrainedRun, { scale, seed, openProgress, signal }: ReproductionContext) {
  const { count, steps = run.config.sampling.steps } = SIZES[scale];
  const { eta } = run.config.sampling;
  const data = await run.dataset.batch(Int32Array.from({ length: count }, (_, i) => i));
  const pictures: { label: string; grid: ImageGrid }[] = [{ label: 'data', grid: await makeImageGrid(data) }];
  data.dispose();
  for (const name of run.names) {
    const images = await run.withModel(name, (model) =>
      sampleImages(model, {
        count,
        steps,
        eta,
        key: foldIn(randomKey(seed), 'fig7'),
        label: `sample ${name}`,
        openProgress,
        signal,
      }),
    );
    pictures.push({ label: name, grid: await makeImageGrid(images) });
    images.dispose();
  }
  return {
    settings: { count, steps, eta, data: run.data },
    values: {},
    figures: [
      {
        name: 'fig7-samples',
        title: 'Data and samples',
        caption: `${pictures.map(({ label }) => label).join(', ')}: ${count} each; pictures of one place are of one noise.`,
        svg: pictureFigure('Pictures of the data and samples of the models', pictures),
      },
    ],
    tables: [],
    findings: [],
  };
}
