import type { RandomKey } from '@sd/core';
import {
  type DistillationLoss,
  type ModelOutput,
  type PairedTensors,
  pairedTensors,
  type SpectrumAwareDistillation,
} from '@sd/distill';
import type { Module } from '@sd/nn';
import { minSnrWeight, type Scheduler } from '@sd/schedulers';
import type { Scalar, Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Condition, type Denoiser, NO_CLASS } from '../conditions/denoiser';
import type { TextContexts } from '../conditions/text-contexts';
import type { DiffusionConfig, ModelConfig } from '../config/schema';
import type { Latents } from '../data/latents';
import { WaitingClock } from '../data/waiting-clock';
import { microBatchSize } from './accumulated-gradients';
import { type Draw, type Draws, FiniteDraws, FreshDraws } from './draws';
import type { Objective, TrainingTask } from './task';
import type { TeacherOutputs } from './teacher-outputs';

/** What a student learns from. */
export type Teaching = {
  /** The teacher's prediction and features; its tensors are disposed by the task. */
  readonly teacher: (x: Tensor4D, t: readonly number[], condition: Condition) => ModelOutput;
  readonly distillation: SpectrumAwareDistillation;
  /** Texts as the teacher's own encoder has them, where that is another one. */
  readonly texts?: TextContexts | undefined;
  /** Where its outputs are kept, if they are: what is there it is not asked for again. */
  readonly outputs?: TeacherOutputs | undefined;
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
  readonly isReplayable: boolean;
  /** Of waiting for latents. */
  readonly clock = new WaitingClock();
  readonly #options: DiffusionTaskOptions;
  readonly #draws: Draws;
  #last: { readonly number: number; readonly draw: Draw } | undefined;

  constructor(options: DiffusionTaskOptions) {
    const { name, denoiser, latents, model, diffusion, key, teaching, conditionDropout } = options;
    this.#options = options;
    this.label = teaching ? `distil ${name}` : `train ${name}`;
    this.result = denoiser.trained;
    this.isReplayable = denoiser.kind !== 'class'; // classes are no tensors
    this.modules = { model: this.result, ...(teaching ? { alignments: teaching.distillation } : {}) };
    const { trainTimesteps } = diffusion;
    const drawn = { key, latents: latents.length, trainTimesteps, dropout: conditionDropout ?? 0 };
    const size = microBatchSize(model);
    const { examples } = model;
    this.#draws = examples === undefined ? new FreshDraws(drawn, size) : new FiniteDraws(drawn, examples, size);
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
      ...(examples === undefined ? {} : { examples }),
      ...(teaching ? { teacher: teaching.identity } : {}),
    };
  }

  /** `x` is x_t; the teacher sees it here, outside differentiation. */
  async batch(number: number): Promise<Record<string, Tensor>> {
    const { latents, scheduler, diffusion, teaching, denoiser, texts } = this.#options;
    const { outputs } = teaching ?? {};
    const draw = this.#draw(number);
    const { times } = draw;
    const { predictionType, minSnrGamma } = diffusion;
    const kept = outputs && (await this.#kept(outputs, number));
    const x0 = await this.clock.time(() => latents.batch(draw.indices));
    const context = await this.#context(draw, denoiser.kind === 'text' ? texts : undefined);
    const taughtContext = kept ? undefined : await this.#context(draw, teaching?.texts);
    const condition = taughtContext ?? context ?? this.#classes(draw);
    const tensors = tf.tidy(() => {
      const noise = draw.noise(x0.shape);
      const x = scheduler.addNoise(x0, noise, times);
      const weights = times.map((t) =>
        minSnrGamma === undefined ? 1 : minSnrWeight(scheduler.snr(t), { gamma: minSnrGamma, predictionType }),
      );
      const taught = teaching && !kept ? pairedTensors(teaching.teacher(x, times, condition)) : {};
      return {
        x,
        t: tf.tensor1d(times, 'float32'),
        target: scheduler.trainingTarget(x0, noise, times),
        weight: tf.tensor4d(weights, [times.length, 1, 1, 1]),
        ...prefixed(taught),
      };
    });
    tf.dispose(taughtContext ?? []);
    return { x0, ...tensors, ...prefixed(kept ?? {}), ...(context ? { [CONTEXT]: context } : {}) };
  }

  /**
   * Asks the teacher for the first examples of a finite set, those that are not kept yet.
   * @param onProgress called with how many are. @throws the signal's reason.
   */
  async keepOutputs(onProgress: (kept: number) => void, signal?: AbortSignal): Promise<void> {
    const { outputs } = this.#options.teaching ?? {};
    const [draws, size] = [this.#draws, microBatchSize(this.#options.model)];
    if (!outputs || !(draws instanceof FiniteDraws)) return;
    await outputs.fill(outputs.examples, size, (rows) => this.#taught(draws.of(rows)), { onProgress, signal });
  }

  /** What the teacher says of a draw, read; what is not kept yet, it is asked for first. Owned by the caller. */
  async #kept(outputs: TeacherOutputs, number: number): Promise<PairedTensors> {
    const draws = this.#draws;
    if (!(draws instanceof FiniteDraws)) throw new Error('outputs of a teacher are kept for a finite set of examples');
    const rows = draws.rows(number);
    await outputs.fill(Math.max(...rows) + 1, rows.length, (missing) => this.#taught(draws.of(missing)));
    return this.clock.time(() => outputs.batch(rows));
  }

  /** What the teacher says of a draw, by pair. Owned by the caller. */
  async #taught(draw: Draw): Promise<PairedTensors> {
    const { latents, scheduler, teaching, denoiser, texts } = this.#options;
    const x0 = await latents.batch(draw.indices);
    const own = teaching?.texts ?? (denoiser.kind === 'text' ? texts : undefined);
    const context = await this.#context(draw, own);
    try {
      return tf.tidy(() => {
        const x = scheduler.addNoise(x0, draw.noise(x0.shape), draw.times);
        return teaching ? pairedTensors(teaching.teacher(x, draw.times, context ?? this.#classes(draw))) : {};
      });
    } finally {
      tf.dispose([x0, ...(context ? [context] : [])]);
    }
  }

  /** The batch and the objective of a draw follow each other. */
  #draw(number: number): Draw {
    if (this.#last?.number !== number) this.#last = { number, draw: this.#draws.at(number) };
    return this.#last.draw;
  }

  /** The classes of a draw's examples; of those whose turn it is, none. */
  #classes({ indices, leftOut }: Draw): number[] {
    const { labels } = this.#options.latents;
    return Array.from(indices, (index, i) => (leftOut[i] ? NO_CLASS : (labels?.[index] ?? NO_CLASS)));
  }

  /** The texts of a draw's examples. Owned by the caller. */
  async #context(draw: Draw, texts: TextContexts | undefined): Promise<Tensor3D | undefined> {
    return texts && this.clock.time(() => texts.batch(draw.indices, draw.leftOut, draw.captions));
  }

  objective(batch: Readonly<Record<string, Tensor>>, number: number): Objective {
    const { denoiser, teaching } = this.#options;
    const condition = (batch[CONTEXT] as Tensor3D | undefined) ?? this.#classes(this.#draw(number));
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

function prefixed(tensors: PairedTensors): Record<string, Tensor4D> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [TEACHER_PREFIX + name, tensor]));
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
