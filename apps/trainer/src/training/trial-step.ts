import { foldIn, normalArray, randomKey } from '@sd/core';
import { SpectrumAwareDistillation } from '@sd/distill';
import { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import { featureShapes } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoiser } from '../conditions/denoiser';
import { TextContexts } from '../conditions/text-contexts';
import type { ProjectConfig } from '../config/schema';
import { Latents } from '../data/latents';
import { accumulatedGradients, disposeGradients, microBatchSize } from './accumulated-gradients';
import { buildDenoiser, buildScheduler } from './build-models';
import { chosenPairs } from './chosen-pairs';
import { DiffusionTask } from './diffusion-task';
import { drawGradients } from './draw-gradients';
import { taskParameters } from './task';

/** What a step of a training takes, measured on noise in place of data and on weights that are not trained. */
export type TrialStep = {
  /** Of one small batch, forward and backward, after another one. */
  readonly seconds: number;
  /** Of all tensors at their most, in bytes. */
  readonly peakBytes: number;
  /** Of the tensors that stay between steps: weights, average, moments, the teacher's weights. */
  readonly heldBytes: number;
};

/** A step that the device has no memory for. */
export class DoesNotFitError extends Error {}

/**
 * Two draws of a model's training, the second one timed. Needs neither data nor trained weights.
 * @throws {DoesNotFitError} where the device says that its memory is full; other failures of a full device pass through.
 */
export async function trialStep(config: ProjectConfig, name: string): Promise<TrialStep> {
  const before = tf.memory().numBytes;
  const key = randomKey(0);
  const denoiser = buildDenoiser(config, name);
  const model = config.models[name];
  const count = microBatchSize(model);
  const { imageSize, inChannels } = denoiser.unet.config;
  const labels = Int32Array.from({ length: count }, (_, i) => i % Math.max(1, denoiser.classes));
  const values = Float32Array.from(normalArray(key, count * imageSize * imageSize * inChannels));
  const latents = new Latents(values, [count, imageSize, imageSize, inChannels], 1, 'noise', { labels });
  const teacher =
    model.distillation && model.distillation.module === undefined
      ? buildDenoiser(config, model.distillation.teacher)
      : undefined;
  teacher?.initialize(foldIn(key, 'teacher'));
  const texts = denoiser.kind === 'text' ? noiseTexts(denoiser, count) : undefined;
  const teacherTexts = teacher?.kind === 'text' ? noiseTexts(teacher, count) : undefined;
  const task = new DiffusionTask({
    name,
    denoiser,
    scheduler: buildScheduler(config.diffusion),
    diffusion: config.diffusion,
    latents,
    model,
    key,
    texts,
    ...(teacher && model.distillation
      ? {
          teaching: {
            teacher: (x, t, condition) => teacher.forwardWithFeatures(x, t, condition),
            texts: teacherTexts,
            identity: {},
            distillation: new SpectrumAwareDistillation({
              ...model.distillation,
              pairs: chosenPairs(side(teacher), side(denoiser), model.distillation.features),
            }),
          },
        }
      : {}),
  });
  const parameters = taskParameters(task);
  for (const [parameter, value] of parameters) value.initialize(foldIn(key, parameter));
  const optimizer = new AdamW(parameters, model);
  const average = new ExponentialMovingAverage(task.result.parameters(), model.emaDecay);
  const differentiate = drawGradients(task, parameters);
  const draw = async (first: number) => {
    const gradients = await accumulatedGradients(task, first, 1, differentiate);
    optimizer.update(gradients.gradients, { learningRate: model.learningRate });
    average.update();
    const [loss] = await gradients.value.data(); // the queue is empty then
    disposeGradients(gradients);
    return loss;
  };
  try {
    let peakBytes = 0;
    await orFull(async () => {
      ({ peakBytes } = await tf.profile(async () => {
        await draw(0);
        return [];
      }));
    });
    const heldBytes = tf.memory().numBytes - before;
    await orFull(() => draw(1)); // recorded here where it will be replayed
    const started = performance.now();
    await orFull(() => draw(2));
    const seconds = (performance.now() - started) / 1000;
    return { seconds, peakBytes: peakBytes - before, heldBytes };
  } finally {
    differentiate.dispose();
    optimizer.dispose();
    average.dispose();
    task.dispose();
    teacher?.dispose();
  }
}

function side({ unet: { config } }: Denoiser) {
  return { channels: config.outChannels, features: featureShapes(config) };
}

/** One text for each image, of noise. */
function noiseTexts({ unet: { config } }: Denoiser, count: number): TextContexts {
  const { contextLength, contextDim = 1 } = config;
  const values = Float32Array.from(normalArray(randomKey(1), contextLength * contextDim));
  const contexts = new Latents(values, [1, contextLength, contextDim, 1], 1, 'noise');
  return new TextContexts({ texts: [''], ofImages: Array.from({ length: count }, () => []) }, contexts, 'noise');
}

/** WebGPU does not throw where memory is full: it says so to those who ask. */
async function orFull(run: () => Promise<unknown>): Promise<void> {
  const { device } = tf.backend() as { device?: GPUDevice };
  device?.pushErrorScope('out-of-memory');
  await run();
  const error = await device?.popErrorScope();
  if (error) throw new DoesNotFitError(error.message);
}
