import { foldIn, integerArray, normal, type RandomKey } from '@sd/core';
import { type DistillationLoss, type ModelOutput, pairedTensors, type SpectrumAwareDistillation } from '@sd/distill';
import type { Module } from '@sd/nn';
import { minSnrWeight, type Scheduler } from '@sd/schedulers';
import type { UNet } from '@sd/unet';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { DiffusionConfig, ModelConfig } from '../config/schema';
import { BatchOrder } from '../data/batches';
import type { Latents } from '../data/latents';
import { microBatchSize } from './accumulated-gradients';
import type { Objective, TrainingTask } from './task';

/** What a student learns from. */
export type Teaching = {
  /** The teacher's prediction and features; its tensors are disposed by the task. */
  readonly teacher: (x: Tensor4D, t: readonly number[]) => ModelOutput;
  readonly distillation: SpectrumAwareDistillation;
  /** What the teacher is, so that a run is not continued with another. */
  readonly identity: Readonly<Record<string, unknown>>;
};

export type DiffusionTaskOptions = {
  readonly name: string;
  readonly unet: UNet;
  readonly scheduler: Scheduler;
  readonly diffusion: DiffusionConfig;
  readonly latents: Latents;
  readonly model: ModelConfig;
  readonly key: RandomKey;
  readonly teaching?: Teaching;
};

const TEACHER_PREFIX = 'teacher ';

/**
 * Trains a denoiser on latents (Yang et al. 2023, sec. 3): x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, the squared
 * error of the prediction, and, with a teacher, L = L_DDPM + lambda_s L_spatial + lambda_f L_freq.
 */
export class DiffusionTask implements TrainingTask {
  readonly label: string;
  readonly kind = 'diffusion model';
  readonly identity: Readonly<Record<string, unknown>>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly result: Module;
  readonly #options: DiffusionTaskOptions;
  readonly #order: BatchOrder;

  constructor(options: DiffusionTaskOptions) {
    const { name, unet, latents, model, diffusion, key, teaching } = options;
    this.#options = options;
    this.label = teaching ? `distil ${name}` : `train ${name}`;
    this.modules = teaching ? { model: unet, alignments: teaching.distillation } : { model: unet };
    this.result = unet;
    this.#order = new BatchOrder(foldIn(key, 'order'), latents.length, microBatchSize(model));
    this.identity = {
      unet: unet.config,
      latents: { shape: latents.shape, scaleFactor: latents.scaleFactor, description: latents.description },
      diffusion,
      seedKey: key.words,
      ...(teaching ? { teacher: teaching.identity } : {}),
    };
  }

  /** `x` is x_t; the teacher sees it here, outside differentiation. */
  async batch(draw: number): Promise<Record<string, Tensor>> {
    const { latents, scheduler, diffusion, model, key, teaching } = this.#options;
    const drawKey = foldIn(foldIn(key, 'draw'), draw);
    const x0 = latents.batch(this.#order.indices(draw));
    const times = [...integerArray(foldIn(drawKey, 't'), microBatchSize(model), diffusion.trainTimesteps)];
    const { predictionType, minSnrGamma } = diffusion;
    return tf.tidy(() => {
      const noise = normal(foldIn(drawKey, 'noise'), x0.shape) as Tensor4D;
      const x = scheduler.addNoise(x0, noise, times);
      const weights = times.map((t) =>
        minSnrGamma === undefined ? 1 : minSnrWeight(scheduler.snr(t), { gamma: minSnrGamma, predictionType }),
      );
      const taught = teaching ? pairedTensors(teaching.teacher(x, times)) : {};
      return {
        x0,
        x,
        t: tf.tensor1d(times, 'float32'),
        target: scheduler.trainingTarget(x0, noise, times),
        weight: tf.tensor4d(weights, [times.length, 1, 1, 1]),
        ...Object.fromEntries(Object.entries(taught).map(([name, tensor]) => [TEACHER_PREFIX + name, tensor])),
      };
    });
  }

  objective(batch: Readonly<Record<string, Tensor>>): Objective {
    const { unet, teaching } = this.#options;
    const [x, x0, target] = [batch.x, batch.x0, batch.target] as [Tensor4D, Tensor4D, Tensor4D];
    const prediction: ModelOutput = teaching
      ? unet.forwardWithFeatures(x, batch.t as tf.Tensor1D)
      : { output: unet.forward(x, batch.t as tf.Tensor1D) };
    const error = tf.square(tf.sub(prediction.output, target));
    const diffusion: Scalar = tf.mean(tf.mul(error, batch.weight));
    if (!teaching) return { loss: diffusion, parts: { diffusion } };
    const taught = Object.fromEntries(
      teaching.distillation.pairs.map((name) => [name, batch[TEACHER_PREFIX + name] as Tensor4D]),
    );
    const distilled: DistillationLoss = teaching.distillation.loss(taught, pairedTensors(prediction), x0);
    return {
      loss: tf.add(diffusion, distilled.total),
      parts: { diffusion, spatial: distilled.spatial, frequency: distilled.frequency },
    };
  }

  dispose(): void {
    for (const module of Object.values(this.modules)) module.dispose();
  }
}
