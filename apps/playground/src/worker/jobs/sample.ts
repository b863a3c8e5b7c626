import { randomKey } from '@sd/core';
import type { Scheduler } from '@sd/schedulers';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { SampleFrame, SampleOutcome } from '../../protocol';
import type { SampleSettings } from '../../settings/sample-settings';
import { type SigmaSpacing, samplerScheduler, seededDraws, takesEta } from '../../trainer';
import { checkActivations, deviceLimits } from '../limits';
import { decode, denoiser, factorOf, type Pipeline } from '../pipeline';
import { sheetOf } from '../sheet';
import { spectrumOf } from '../spectrum';

export type SampleOptions = {
  /** Sees every step; left out, nothing is decoded on the way. */
  readonly onFrame?: ((frame: SampleFrame) => void) | undefined;
  readonly onStep?: ((done: number, total: number) => void) | undefined;
  readonly signal: AbortSignal;
};

/** The sampler of the settings for a model. @throws {UserError} on what does not go together. */
export function schedulerOf(pipeline: Pipeline, { sampler, sigmas }: SampleSettings): Scheduler {
  return samplerScheduler(pipeline.scheduler.config, { sampler, sigmas: (sigmas || undefined) as SigmaSpacing });
}

/** Draws a batch: the images of `sd sample --seed`. */
export async function sample(
  pipeline: Pipeline,
  settings: SampleSettings,
  { onFrame, onStep, signal }: SampleOptions,
): Promise<SampleOutcome> {
  const began = performance.now();
  const { latents, seconds, steps } = await sampleLatents(pipeline, settings, { onFrame, onStep, signal });
  const images = decode(pipeline, latents);
  latents.dispose();
  try {
    return {
      images: await sheetOf(images),
      spectrum: await spectrumOf(images),
      steps,
      stepsPerSecond: steps / seconds,
      seconds: (performance.now() - began) / 1000,
      settings,
    };
  } finally {
    images.dispose();
  }
}

/**
 * @returns `latents` `[batch, H, W, C]`, owned by the caller, and the seconds that model and sampler took for the
 * `steps` calls, without what was decoded on the way.
 */
export async function sampleLatents(
  pipeline: Pipeline,
  settings: SampleSettings,
  { onFrame, onStep, signal }: SampleOptions,
): Promise<{ latents: Tensor4D; seconds: number; steps: number }> {
  const { batch, seed, steps } = settings;
  const { imageSize, inChannels } = pipeline.unet.config;
  const scheduler = schedulerOf(pipeline, settings);
  checkActivations(pipeline.label, largestOf(pipeline, batch), deviceLimits());
  const run = { steps, ...(takesEta(scheduler) ? { eta: settings.eta } : {}) };
  const plan = scheduler.plan(run);
  const draws = seededDraws(randomKey(seed));
  const draw = (name: 'start' | number) => draws(name, 0, batch, [imageSize, imageSize, inChannels]);
  const model = denoiser(pipeline, settings);
  const x = tf.tidy(() => tf.mul(draw('start'), scheduler.initNoiseSigma(steps)) as Tensor4D);
  let milliseconds = 0;
  let last = performance.now();
  try {
    const latents = await scheduler.sample(model.predict, x, {
      ...run,
      noise: draw,
      signal,
      onStep: async (done) => {
        await done.x.data(); // the device has finished the step
        milliseconds += performance.now() - last;
        onStep?.(done.step, done.steps);
        if (onFrame) {
          const next = plan[done.step]?.t;
          onFrame(await frameOf(pipeline, done, next === undefined ? 1 : lengthAt(scheduler, next)));
        }
        last = performance.now();
      },
    });
    return { latents, seconds: milliseconds / 1000, steps: plan.length };
  } finally {
    x.dispose();
    model.dispose();
  }
}

/** The largest tensor of a run, about: the first stage's last level, or the denoiser's first with what is joined to it. */
function largestOf({ unet, firstStage }: Pipeline, batch: number) {
  const { imageSize, modelChannels } = unet.config;
  const denoiser = { batch, pixels: imageSize, channels: 2 * modelChannels };
  if (firstStage === null) return denoiser;
  const { config } = firstStage.network;
  const channels = config.kind === 'tiny' ? config.decoderCh : config.ch;
  return { batch, pixels: imageSize * factorOf(firstStage), channels };
}

/** By what x at t is divided to have the standard deviation of the clean latents. */
function lengthAt(scheduler: Scheduler, t: number): number {
  const { signal, noise } = scheduler.levelAt(t);
  return Math.hypot(signal, noise);
}

async function frameOf(
  pipeline: Pipeline,
  done: { readonly step: number; readonly steps: number; readonly t: number; x: Tensor4D; predictedX0: Tensor4D },
  length: number,
): Promise<SampleFrame> {
  const count = done.x.shape[0];
  const [noisy, predicted] = tf.tidy(() => {
    const both = decode(pipeline, tf.concat([tf.div(done.x, length), done.predictedX0], 0) as Tensor4D);
    return tf.split(both, [count, count], 0) as [Tensor4D, Tensor4D];
  });
  try {
    return {
      step: done.step,
      steps: done.steps,
      t: done.t,
      noisy: await sheetOf(noisy),
      predicted: await sheetOf(predicted),
      noisySpectrum: await spectrumOf(noisy),
      predictedSpectrum: await spectrumOf(predicted),
    };
  } finally {
    tf.dispose([noisy, predicted]);
  }
}
