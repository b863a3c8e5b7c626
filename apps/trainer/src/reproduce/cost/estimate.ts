import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { countMacs, presets, UNet, type UNetConfig } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { ProjectConfig } from '../../config/schema';
import { writeAtomically } from '../../files/atomic-file';
import { trialStep } from '../../training/trial-step';
import { ablationSetting } from '../experiments/ablation/ablation-setting';
import { fullScaleWorks, trainingMacs } from './training-works';

/** Of the file in the folder of a scale. */
export const ESTIMATE_FILE = 'estimate.json';

export const estimateSchema = z.object({
  format: z.literal('sd-estimate-1'),
  date: z.string(),
  backend: z.string(),
  /** Examples of the step that was measured. */
  batch: z.int(),
  /** Of that step, SD of FFHQ distilled from LDM. */
  stepSeconds: z.number(),
  /** MACs a second, in training by that step and in sampling by a forward pass. */
  trainingRate: z.number(),
  samplingRate: z.number(),
  works: z.array(
    z.object({
      name: z.string(),
      what: z.string(),
      training: z.number(),
      sampling: z.number(),
      hours: z.number(),
    }),
  ),
});
export type Estimate = z.infer<typeof estimateSchema>;

/** Examples at once that a GPU takes well; WebAssembly and plain JavaScript are as slow with one. */
const GPU_BATCH = 16;
/** Forward passes that are timed. */
const PASSES = 10;
/** Before them: a GPU that was idle needs a while of work until its clocks have settled. */
const WARM_UP_MS = 1000;

/**
 * What the paper's scale costs on this device: the MACs of all that it trains and samples over the MACs a second of one
 * training step and of forward passes, measured now. Written to `full/estimate.json`.
 */
export async function estimateFull(out: string, backend: string): Promise<Estimate> {
  const batch = /^(wasm|cpu)$/.test(tf.getBackend()) ? 1 : GPU_BATCH;
  const config = ffhqProject(batch);
  const { seconds } = await trialStep(config, 'full');
  const unet = (name: string) => config.models[name].unet as unknown as UNetConfig;
  const stepMacs = trainingMacs({ unet: unet('full'), teacher: unet('teacher'), batch, steps: 1 });
  const rates = { trainingRate: stepMacs / seconds, samplingRate: await forwardRate(presets['sd-ffhq'], batch) };
  const works = fullScaleWorks().map((work) => ({
    ...work,
    hours: (work.training / rates.trainingRate + work.sampling / rates.samplingRate) / 3600,
  }));
  const date = new Date().toISOString();
  const estimate = { format: 'sd-estimate-1', date, backend, batch, stepSeconds: seconds, ...rates, works } as const;
  await writeAtomically(
    join(out, 'full', ESTIMATE_FILE),
    `${JSON.stringify(estimateSchema.parse(estimate), null, 2)}\n`,
  );
  return estimateSchema.parse(estimate);
}

/** The estimate of a folder of results, where it has one. @throws {ZodError} on a broken one. */
export async function readEstimate(out: string): Promise<Estimate | undefined> {
  const file = join(out, 'full', ESTIMATE_FILE);
  return existsSync(file) ? estimateSchema.parse(JSON.parse(await readFile(file, 'utf8'))) : undefined;
}

/** The ablation's project at full, a micro-batch of which is a step. */
function ffhqProject(batch: number): ProjectConfig {
  const photographs = { folder: 'photographs', firstStage: 'vq-f4' };
  const { project } = ablationSetting({ scale: 'full', seed: 0, folder: '.', photographs });
  const full = { ...project.models.full, batchSize: batch, microBatchSize: batch };
  return { ...project, models: { ...project.models, full } };
}

/** MACs a second of a forward pass, the queue drained at its end. */
async function forwardRate(config: UNetConfig, batch: number): Promise<number> {
  const unet = new UNet(config);
  const x = tf.zeros([batch, config.imageSize, config.imageSize, config.inChannels]) as Tensor4D;
  try {
    const forward = async () => {
      const y = unet.forward(x, 500);
      await y.data();
      y.dispose();
    };
    const warm = performance.now() + WARM_UP_MS;
    do await forward();
    while (performance.now() < warm);
    const started = performance.now();
    for (let pass = 0; pass < PASSES; pass++) await forward();
    return (PASSES * batch * countMacs(config)) / ((performance.now() - started) / 1000);
  } finally {
    x.dispose();
    unet.dispose();
  }
}
