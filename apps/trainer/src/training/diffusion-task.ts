import { foldIn, integerArray, normal, type RandomKey, uniformArray } from '@sd/core';
import { type DistillationLoss, type ModelOutput, pairedTensors, type SpectrumAwareDistillation } from '@sd/distill';
import type { Module } from '@sd/nn';
import { minSnrWeight, type Scheduler } from '@sd/schedulers';
import type { Scalar, Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Condition, type Denoiser, NO_CLASS } from '../conditions/denoiser';
import type { TextContexts } from '../conditions/text-contexts';
import type { DiffusionConfig, ModelConfig } from '../config/schema';
import { BatchOrder } from '../data/batches';
import type { Latents } from '../data/latents';
import { WaitingClock } from '../data/waiting-clock';
import { microBatchSize } from './accumulated-gradients';
import type { Objective, TrainingTask } from './task';

/** What a student learns from. */
export type Teaching = {
  /** The teacher's prediction and features; its tensors are disposed by the task. */
  readonly teacher: (x: Tensor4D, t: readonly number[], condition: Condition) => ModelOutput;
  readonly distillation: SpectrumAwareDistillation;
  /** Texts as the teacher's own encoder has them, where that is another one. */
  readonly texts?: TextContexts | undefined;
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
  /** Of a model of texts. */
  readonly texts?: TextContexts | undefined;
  readonly key: RandomKey;
  readonly teaching?: Teaching;
};

const TEACHER_PREFIX = 'teacher ';
const CONTEXT = 'context';

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
        : {
            condition: {
              kind: denoiser.kind,
              classes: denoiser.classes,
              dropout: conditionDropout,
              encoder: options.texts?.identity,
            },
          }),
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
    const { denoiser, texts } = this.#options;
    const context = await this.clock.time(() => this.#context(draw, denoiser.kind === 'text' ? texts : undefined));
    const taughtContext = await this.clock.time(() => this.#context(draw, teaching?.texts));
    const condition = taughtContext ?? context ?? this.#classes(draw);
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
    tf.dispose(taughtContext ?? []);
    return { x0, ...tensors, ...(context ? { [CONTEXT]: context } : {}) };
  }

  #drawKey(draw: number): RandomKey {
    return foldIn(foldIn(this.#options.key, 'draw'), draw);
  }

  /** Whose condition is left out in a draw. */
  #leftOut(draw: number): boolean[] {
    const { model, conditionDropout = 0 } = this.#options;
    const draws = uniformArray(foldIn(this.#drawKey(draw), 'condition'), microBatchSize(model));
    return Array.from(draws, (value) => value < conditionDropout);
  }

  /** The classes of a draw's examples; of those whose turn it is, none. */
  #classes(draw: number): number[] {
    const { labels } = this.#options.latents;
    const leftOut = this.#leftOut(draw);
    return Array.from(this.#order.indices(draw), (index, i) => (leftOut[i] ? NO_CLASS : (labels?.[index] ?? NO_CLASS)));
  }

  /** The texts of a draw's examples. Owned by the caller. */
  async #context(draw: number, texts: TextContexts | undefined): Promise<Tensor3D | undefined> {
    return texts?.batch(this.#order.indices(draw), this.#leftOut(draw), this.#drawKey(draw));
  }

  objective(batch: Readonly<Record<string, Tensor>>, draw: number): Objective {
    const { denoiser, teaching } = this.#options;
    const condition = (batch[CONTEXT] as Tensor3D | undefined) ?? this.#classes(draw);
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
      parts: { diffusion, spatial: distilled.spatial, frequency: distilled.frequency, ...pairParts(distilled) },
    };
  }

  dispose(): void {
    for (const module of Object.values(this.modules)) module.dispose();
  }
}

/** The parts of each pair, `spatial/up_0`, where there are several. */
function pairParts({ pairs }: DistillationLoss): Record<string, Scalar> {
  const entries = Object.entries(pairs);
  if (entries.length === 1) return {};
  return Object.fromEntries(
    entries.flatMap(([name, { spatial, frequency }]) => [
      [`spatial/${name}`, spatial],
      [`frequency/${name}`, frequency],
    ]),
  );
}
