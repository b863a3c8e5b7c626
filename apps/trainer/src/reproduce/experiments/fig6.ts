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

/** Backends in the order of the table. */
const BACKENDS = ['webgpu', 'tensorflow', 'wasm', 'cpu'];

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
  const configs = Object.entries(family(models));
  const on = (backend: string) =>
    configs.map(([name, config]): Piece<z.infer<typeof timed>> => {
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
      return { name: `${name}-${backend}`, settings: { models, batchSize, runs, backend }, compute };
    });
  await pieces.some(timed, on(tf.getBackend()));
  const rows: Row[] = [];
  for (const backend of BACKENDS) {
    const found = await pieces.finished(timed, on(backend));
    for (const [name, config] of configs) {
      const seconds = found.get(`${name}-${backend}`);
      const ldm = found.get(`ldm-${backend}`);
      if (seconds && ldm) {
        const [parameters, macs] = [countParameters(config), countMacs(config)];
        rows.push({ backend, name, parameters, macs, seconds, timesLdm: rate(seconds) / rate(ldm) });
      }
    }
  }
  const ldmMacs = countMacs(family(models).ldm);
  return {
    settings: { models, batchSize, runs },
    values: { rows },
    figures: [],
    tables: [
      {
        title: 'Steps a second',
        note: `Batches of ${batchSize}, mean of ${runs} runs; the deviation is of a run's time, as a share of its mean. On every backend that has been timed.`,
        columns: ['backend', 'model', 'parameters', 'MACs', 'steps/s', 'deviation', 'of LDM’s'],
        rows: rows.map(({ backend, name, parameters, macs, seconds, timesLdm }) => [
          backend,
          name,
          formatParameters(parameters),
          formatMacs(macs),
          formatRate(rate(seconds)),
          `${(100 * relativeDeviation(seconds)).toFixed(0)} %`,
          `${timesLdm.toFixed(2)} ×`,
        ]),
      },
    ],
    findings: rows.flatMap(({ backend, name, timesLdm, macs }) =>
      name === 'ldm'
        ? []
        : [
            `${backend}: ${name} takes ${timesLdm.toFixed(1)} times as many steps a second as ldm, with ${(ldmMacs / macs).toFixed(1)} times fewer MACs.`,
          ],
    ),
  };
}

type Row = {
  readonly backend: string;
  readonly name: string;
  readonly parameters: number;
  readonly macs: number;
  readonly seconds: readonly number[];
  readonly timesLdm: number;
};

const rate = (seconds: readonly number[]) => seconds.length / seconds.reduce((sum, value) => sum + value, 0);

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
