import { foldIn, randomKey } from '@sd/core';
import { dft2d, luma } from '@sd/spectral-loss';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { makeImageGrid } from '../../report/image-grid';
import { sampleImages } from '../../sampling/sample-images';
import { pictureFigure } from '../figures/picture-figure';
import { MissingModels } from '../missing-models';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { TrainedRun } from '../trained-run';

const SIZES: Readonly<Record<Scale, { readonly samples: number; readonly shown: number; readonly steps?: number }>> = {
  smoke: { samples: 2, shown: 1, steps: 2 },
  tiny: { samples: 128, shown: 16 },
  small: { samples: 1000, shown: 16 },
  full: { samples: 1000, shown: 16, steps: 200 },
};

/** Decibels that are black and white in the picture of differences. */
const RANGE = 6;
const [WITH, WITHOUT] = ['full', 'no-freq'];

export const fig10: Reproduction = {
  name: 'fig10',
  title: 'Figure 10: with and without L_freq',
  paper:
    'Without the frequency term of the distillation, images lack high frequencies: the difference of their DFTs shows it.',
  method: `Samples of two students of the ablation, "${WITH}" and "${WITHOUT}", from the same noise; of each set the mean log-power of the DFT of luma, and their difference, the zero frequency in the middle: white is ${RANGE} dB more with L_freq, black ${RANGE} dB less. \`--models\` is a folder that \`sd reproduce table5\` trained.`,
  run: (context) => TrainedRun.with(context, (run) => compare(run, context)),
};

async function compare(run: TrainedRun, { scale, seed, openProgress, signal }: ReproductionContext) {
  if (![WITH, WITHOUT].every((name) => run.names.includes(name))) {
    throw new MissingModels(`fig10: ${run.folder.root} has no finished ${WITH} and ${WITHOUT}`, 'sd reproduce table5');
  }
  const { samples, shown, steps = run.config.sampling.steps } = SIZES[scale];
  const { eta } = run.config.sampling;
  const of = async (name: string) => {
    const images = await run.withModel(name, (model) =>
      sampleImages(model, {
        count: samples,
        steps,
        eta,
        key: foldIn(randomKey(seed), 'fig10'),
        label: `sample ${name}`,
        openProgress,
        signal,
      }),
    );
    const first = tf.slice(images, 0, shown);
    const grid = await makeImageGrid(first);
    const power = tf.tidy(() => meanLogPower(images));
    tf.dispose([images, first]);
    return { grid, power };
  };
  const [whole, without] = [await of(WITH), await of(WITHOUT)];
  const difference = tf.tidy(() => tf.sub(whole.power, without.power));
  const decibels = [...(await difference.data<'float32'>())].map((nats) => (10 * nats) / Math.LN10);
  const size = difference.shape[0] ?? 0;
  tf.dispose([whole.power, without.power, difference]);
  const { low, high } = bandMeans(decibels, size);
  const picture = differencePicture(decibels, size);
  const grid = await makeImageGrid(picture, { scale: Math.max(1, Math.round(whole.grid.height / size)) });
  picture.dispose();
  return {
    settings: { samples, steps, eta, data: run.data },
    values: { size, decibels: decibels.map((value) => Number(value.toPrecision(4))), low, high },
    figures: [
      {
        name: 'fig10-difference',
        title: 'Samples and the difference of their DFTs',
        caption: `Samples with L_freq, the same without, and the difference of the mean log-power of ${samples} samples each.`,
        svg: pictureFigure('Samples with and without L_freq, and the difference of their DFTs', [
          { label: 'with L_freq', grid: whole.grid },
          { label: 'without', grid: without.grid },
          { label: 'difference', grid },
        ]),
      },
    ],
    tables: [],
    findings: [
      `With L_freq the samples have ${signed(high)} dB of power at high frequencies and ${signed(low)} dB at low ones, on the mean over coefficients.`,
    ],
  };
}

const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;

/** @returns `[H, W]`, the zero frequency first. */
function meanLogPower(images: Tensor4D): tf.Tensor2D {
  const { re, im } = dft2d(luma(images), { norm: 'ortho' });
  const power = tf.add(tf.add(tf.square(re), tf.square(im)), 1e-8);
  return tf.squeeze(tf.mean(tf.log(power), 0), [2]);
}

/** Radius of a coefficient as a fraction of Nyquist's frequency. */
function radius(index: number, size: number): number {
  const signedFrequency = (k: number) => Math.min(k, size - k);
  return (2 * Math.hypot(signedFrequency(Math.floor(index / size)), signedFrequency(index % size))) / size;
}

function bandMeans(decibels: readonly number[], size: number) {
  const mean = (inside: (r: number) => boolean) => {
    const own = decibels.filter((_, i) => inside(radius(i, size)));
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  };
  return { low: mean((r) => r < 0.25), high: mean((r) => r >= 0.25 && r <= 1) };
}

/** `[1, size, size, 3]` in [-1, 1], the zero frequency in the middle. Owned by the caller. */
function differencePicture(decibels: readonly number[], size: number): Tensor4D {
  const half = Math.floor(size / 2);
  const shifted = (k: number) => (k + size - half) % size;
  const values = Float32Array.from({ length: size * size * 3 }, (_, i) => {
    const [y, x] = [Math.floor(i / 3 / size), Math.floor(i / 3) % size];
    return decibels[shifted(y) * size + shifted(x)] / RANGE;
  });
  return tf.tensor4d(values, [1, size, size, 3]);
}
