import { foldIn, randomKey } from '@sd/core';
import { readCaptions } from '../../conditions/captions';
import { makeImageGrid } from '../../report/image-grid';
import type { ImageGrid } from '../../report/report-data';
import { openGuidance } from '../../sampling/open-guidance';
import { sampleImages } from '../../sampling/sample-images';
import { textEncoderFolder } from '../../training/run-stages';
import { pictureFigure } from '../figures/picture-figure';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { TrainedRun } from '../trained-run';

const SIZES: Readonly<Record<Scale, { readonly count: number; readonly steps?: number }>> = {
  smoke: { count: 2, steps: 2 },
  tiny: { count: 16 },
  small: { count: 16 },
  full: { count: 16, steps: 200 },
};

/** w of the paper's figure; 1 is the condition alone. */
const GUIDANCE = [1, 5];

export const fig8: Reproduction = {
  name: 'fig8',
  title: 'Figure 8: samples of a condition',
  paper: 'Samples of the text-to-image model with a guidance of w = 5.0.',
  method: `Samples of every finished model of texts or classes, from the same noise, with w = ${GUIDANCE.join(' and ')}, none chosen: texts are the first captions of the data, classes take turns.`,
  run: (context) => TrainedRun.with(context, (run) => draw(run, context), 'conditional'),
};

async function draw(run: TrainedRun, { scale, seed, openProgress, signal }: ReproductionContext) {
  const { count, steps = run.config.sampling.steps } = SIZES[scale];
  const { eta } = run.config.sampling;
  const prompt = run.config.condition?.kind === 'text' ? await firstTexts(run, count) : undefined;
  const pictures: { label: string; grid: ImageGrid }[] = [];
  for (const name of run.names) {
    for (const scaleOfGuidance of GUIDANCE) {
      const label = `${name}, w = ${scaleOfGuidance}`;
      const images = await run.withModel(name, async (model) => {
        const guidance = await openGuidance(model.denoiser, model.metadata, {
          guidance: scaleOfGuidance,
          given: [],
          encoder: () => textEncoderFolder(run.config, name),
          ...(prompt ? { prompt } : {}),
        });
        try {
          const key = foldIn(randomKey(seed), 'fig8');
          return await sampleImages(model, { count, steps, eta, key, guidance, label, openProgress, signal });
        } finally {
          guidance?.dispose();
        }
      });
      pictures.push({ label, grid: await makeImageGrid(images) });
      images.dispose();
    }
  }
  const of = prompt ? `texts (${prompt.join('; ')})` : 'classes in turn';
  return {
    settings: { count, steps, eta, guidance: GUIDANCE, of, data: run.data },
    values: {},
    figures: [
      {
        name: 'fig8-samples',
        title: 'Samples with and without guidance',
        caption: `${pictures.map(({ label }) => label).join('; ')}: ${count} each of ${of}; pictures of one place are of one noise.`,
        svg: pictureFigure('Samples of a condition by models and guidance', pictures),
      },
    ],
    tables: [],
    findings: [],
  };
}

/** Different texts of the data, without the empty one. */
async function firstTexts(run: TrainedRun, count: number): Promise<string[]> {
  const { texts } = await readCaptions(run.folder.latents, run.dataset.length);
  return texts.filter((text) => text !== '').slice(0, count);
}
