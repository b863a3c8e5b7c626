import { countMacs, countParameters, presets, UNet, type UNetConfig } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { demoConfig } from '../../demo/demo-config';
import { formatMacs, formatParameters, formatRate } from '../../report/format';
import { buildDenoiser } from '../../training/build-models';
import type { Piece } from '../pieces';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';

type Size = { readonly models: 'demo' | 'ffhq'; readonly batchSize: number; readonly runs: number };

const SIZES: Readonly<Record<Scale, Size>> = {
  smoke: { models: 'demo', batchSize: 1, runs: 2 },
  tiny: { models: 'demo', batchSize: 64, runs: 30 },
  small: { models: 'ffhq', batchSize: 64, runs: 30 },
  full: { models: 'ffhq', batchSize: 64, runs: 30 },
};

const timed = z.array(z.number().positive());

export const fig6: Reproduction = {
  name: 'fig6',
  title: 'Figure 6: throughput',
  paper:
    'Spectral Diffusion takes 2 to 5 times as many steps a second as LDM: batches of 64, the mean of 30 runs, CPU and GPU.',
  method:
    'Forward passes of a batch after one that is not timed, the device’s queue drained at the end of each; untrained weights take as long. At small and full the FFHQ models, at tiny those of `sd demo`.',
  run,
};

/** LDM, Lite and SD of a family. */
function family(models: Size['models']): Readonly<Record<'ldm' | 'lite' | 'sd', UNetConfig>> {
  if (models === 'ffhq') return { ldm: presets['ldm-ffhq'], lite: presets['lite-ffhq'], sd: presets['sd-ffhq'] };
  const config = demoConfig({ out: 'out', seed: 0 });
  const of = (name: string) => buildDenoiser(config, name).unet.config;
  return { ldm: of('teacher'), lite: of('lite'), sd: of('sd') };
}

async function run({ scale, pieces, openProgress, signal }: ReproductionContext) {
  const { models, batchSize, runs } = SIZES[scale];
  const timedModels = Object.entries(family(models));
  const wanted = timedModels.map(([name, config]): Piece<z.infer<typeof timed>> => {
    const settings = { models, batchSize, runs, backend: tf.getBackend() };
    const compute = async () => {
      const unet = new UNet(config);
      const progress = openProgress(`time ${name}`, runs, 'run');
      try {
        return await timedRuns(unet, batchSize, runs, (done) => {
          progress.update(done);
          signal.throwIfAborted();
        });
      } finally {
        progress.stop();
        unet.dispose();
      }
    };
    return { name: `${name}-${tf.getBackend()}`, settings, compute };
  });
  const found = await pieces.all(timed, wanted);
  const rows = timedModels.map(([name, config], i) => ({
    name,
    parameters: countParameters(config),
    macs: countMacs(config),
    seconds: found[i],
  }));
  const rate = (seconds: readonly number[]) => seconds.length / seconds.reduce((sum, value) => sum + value, 0);
  const [ldm] = rows;
  return {
    settings: { models, batchSize, runs, tfjsBackend: tf.getBackend() },
    values: { rows },
    figures: [],
    tables: [
      {
        title: 'Steps a second',
        note: `Batches of ${batchSize}, mean of ${runs} runs; the deviation is of a run's time, as a share of its mean.`,
        columns: ['model', 'parameters', 'MACs', 'steps/s', 'deviation', 'of LDM’s'],
        rows: rows.map(({ name, parameters, macs, seconds }) => [
          name,
          formatParameters(parameters),
          formatMacs(macs),
          formatRate(rate(seconds)),
          `${(100 * relativeDeviation(seconds)).toFixed(0)} %`,
          `${(rate(seconds) / rate(ldm.seconds)).toFixed(2)} ×`,
        ]),
      },
    ],
    findings: rows
      .slice(1)
      .map(
        ({ name, seconds, macs }) =>
          `${name} takes ${(rate(seconds) / rate(ldm.seconds)).toFixed(1)} times as many steps a second as ldm, with ${(ldm.macs / macs).toFixed(1)} times fewer MACs.`,
      ),
  };
}

async function timedRuns(unet: UNet, batchSize: number, runs: number, onRun: (done: number) => void) {
  const { imageSize, inChannels } = unet.config;
  const x = tf.zeros([batchSize, imageSize, imageSize, inChannels]) as Tensor4D;
  const seconds: number[] = [];
  try {
    for (let run = 0; run <= runs; run++) {
      const started = performance.now();
      const y = unet.forward(x, 500);
      await y.data();
      y.dispose();
      if (run > 0) seconds.push((performance.now() - started) / 1000);
      onRun(run);
    }
    return seconds;
  } finally {
    x.dispose();
  }
}

function relativeDeviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) / mean;
}
