import { foldIn, integerArray, normal, type RandomKey, uniformArray } from '@sd/core';
import { type DistillationLoss, type ModelOutput, pairedTensors, type SpectrumAwareDistillation } from '@sd/distill';
import type { Module } from '@sd/nn';
import { minSnrWeight, type Scheduler } from '@sd/schedulers';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Condition, type Denoiser, NO_CLASS } from '../conditions/denoiser';
import type { DiffusionConfig, ModelConfig } from '../config/schema';
import { BatchOrder } from '../data/batches';
import type { Latents } from '../data/latents';
import { WaitingClock } from '../data/waiting-clock';
import { microBatchSize } from './accumulated-gradients';
import type { Objective, TrainingTask } from './task';

/** What a student learns from. */
export type Teaching = {
  /** The teacher's prediction and features; its tensors are disposed by the task. */
  readonly teacher: (x: Tensor4D, t: readonly number[], condition: Condition | undefined) => ModelOutput;
  readonly distillation: SpectrumAwareDistillation;
  /** What the teacher is, so that a run is not continued with another. */
  readonly identity: Readonly<Record<string, unknown>>;
};

export type DiffusionTaskOptions = {
  readonly name: string;
  readonly denoiser: Denoiser;
  readonly scheduler: Scheduler;
  readonly diffusion: DiffusionConfig;
  readonly latents: Latents;
  readonly model: ModelConfig;
  /** How often the condition of an example is left out, for models that have one. */
  readonly conditionDropout?: number;
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
  /** Of waiting for latents. */
  readonly clock = new WaitingClock();
  readonly #options: DiffusionTaskOptions;
  readonly #order: BatchOrder;

  constructor(options: DiffusionTaskOptions) {
    const { name, denoiser, latents, model, diffusion, key, teaching, conditionDropout } = options;
    this.#options = options;
    this.label = teaching ? `distil ${name}` : `train ${name}`;
    this.result = denoiser.trained;
    this.modules = { model: this.result, ...(teaching ? { alignments: teaching.distillation } : {}) };
    this.#order = new BatchOrder(foldIn(key, 'order'), latents.length, microBatchSize(model));
    this.identity = {
      unet: denoiser.unet.config,
      ...(denoiser.kind === 'none'
        ? {}
        : { condition: { kind: denoiser.kind, classes: denoiser.classes, dropout: conditionDropout } }),
      latents: { shape: latents.shape, scaleFactor: latents.scaleFactor, description: latents.description },
      diffusion,
      seedKey: key.words,
      ...(teaching ? { teacher: teaching.identity } : {}),
    };
  }

  /** `x` is x_t; the teacher sees it here, outside differentiation. */
  async batch(draw: number): Promise<Record<string, Tensor>> {
    const { latents, scheduler, diffusion, model, teaching } = this.#options;
    const drawKey = this.#drawKey(draw);
    const x0 = await this.clock.time(() => latents.batch(this.#order.indices(draw)));
    const times = [...integerArray(foldIn(drawKey, 't'), microBatchSize(model), diffusion.trainTimesteps)];
    const { predictionType, minSnrGamma } = diffusion;
    const condition = this.#condition(draw);
    const tensors = tf.tidy(() => {
      const noise = normal(foldIn(drawKey, 'noise'), x0.shape) as Tensor4D;
      const x = scheduler.addNoise(x0, noise, times);
      const weights = times.map((t) =>
        minSnrGamma === undefined ? 1 : minSnrWeight(scheduler.snr(t), { gamma: minSnrGamma, predictionType }),
      );
      const taught = teaching ? pairedTensors(teaching.teacher(x, times, condition)) : {};
      return {
        x,
        t: tf.tensor1d(times, 'float32'),
        target: scheduler.trainingTarget(x0, noise, times),
        weight: tf.tensor4d(weights, [times.length, 1, 1, 1]),
        ...Object.fromEntries(Object.entries(taught).map(([name, tensor]) => [TEACHER_PREFIX + name, tensor])),
      };
    });
    return { x0, ...tensors };
  }

  #drawKey(draw: number): RandomKey {
    return foldIn(foldIn(this.#options.key, 'draw'), draw);
  }

  /** The classes of a draw's examples; of those whose turn it is, none. */
  #condition(draw: number): Condition | undefined {
    const { denoiser, latents, model, conditionDropout = 0 } = this.#options;
    if (denoiser.kind === 'none') return undefined;
    const dropped = uniformArray(foldIn(this.#drawKey(draw), 'condition'), microBatchSize(model));
    const classes = this.#order.indices(draw);
    return Array.from(classes, (index, i) =>
      dropped[i] < conditionDropout ? NO_CLASS : (latents.labels?.[index] ?? NO_CLASS),
    );
  }

  objective(batch: Readonly<Record<string, Tensor>>, draw: number): Objective {
    const { denoiser, teaching } = this.#options;
    const condition = this.#condition(draw);
    const [x, x0, target] = [batch.x, batch.x0, batch.target] as [Tensor4D, Tensor4D, Tensor4D];
    const prediction: ModelOutput = teaching
      ? denoiser.forwardWithFeatures(x, batch.t as tf.Tensor1D, condition)
      : { output: denoiser.forward(x, batch.t as tf.Tensor1D, condition) };
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
