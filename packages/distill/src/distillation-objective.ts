import { checkShape } from '@sd/core';
import { type LossWeightOptions, lossWeight, type Scheduler } from '@sd/schedulers';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkComplete } from './check-pairs';
import { type DiffusionModel, pairedTensors } from './diffusion-model';
import type { PairedTensors } from './feature-pair';
import type { DistillationLoss, SpectrumAwareDistillation } from './spectrum-aware-distillation';
import { squaredError } from './squared-error';

/** Noisy images with what a student is to make of them. */
export type DistillationBatch<Condition = undefined> = {
  /** Clean images `[N, H, W, C]`. */
  readonly x0: Tensor4D;
  /** x_t, `[N, H, W, C]`. */
  readonly x: Tensor4D;
  readonly t: readonly number[];
  /** Not owned by the batch. */
  readonly condition: Condition;
  /** What the prediction should be, `[N, H, W, C]`. */
  readonly target: Tensor4D;
  /** Of each sample's squared error, `[N, 1, 1, 1]`. */
  readonly weight: Tensor4D;
  /** The teacher's tensors at x_t, by pair. */
  readonly taught: PairedTensors;
  dispose(): void;
};

export type DistillationBatchOptions<Condition> = {
  /** `[N, H, W, C]`, standard normal. Borrowed. */
  readonly noise: Tensor4D;
  /** One timestep per image, in [0, T). */
  readonly t: readonly number[];
  readonly teacher: DiffusionModel<Condition>;
  readonly distillation: SpectrumAwareDistillation;
  readonly scheduler: Scheduler;
} & Pick<LossWeightOptions, 'minSnrGamma' | 'p2Gamma'> &
  (undefined extends Condition ? { readonly condition?: Condition } : { readonly condition: Condition });

/**
 * The part of a training step that has no gradient: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, and what the teacher
 * makes of it. To be called outside the differentiated function, where tfjs would keep every tensor of the teacher.
 *
 * @param x0 clean images or latents `[N, H, W, C]`. Borrowed.
 * @returns tensors that its `dispose` frees. Owned by the caller.
 * @throws {ShapeError} @throws {SpectralDiffusionError} that lists what the teacher lacks.
 * @throws {ArgumentError} on timesteps out of range.
 */
export function distillationBatch<Condition = undefined>(
  x0: Tensor4D,
  options: DistillationBatchOptions<Condition>,
): DistillationBatch<Condition> {
  const { noise, t, teacher, distillation, scheduler, minSnrGamma, p2Gamma } = options;
  const condition = options.condition as Condition;
  checkShape('distillationBatch', 'x0', x0, ['N', 'H', 'W', 'C']);
  const weighting = { predictionType: scheduler.predictionType, minSnrGamma, p2Gamma };
  const weights = lossWeight(scheduler.schedule, t, weighting);
  const tensors = tf.tidy(() => {
    const x = scheduler.addNoise(x0, noise, t);
    const made = pairedTensors(teacher(x, t, condition));
    checkComplete('distillationBatch', 'teacher', distillation.pairs, made);
    const taught = Object.fromEntries(distillation.pairs.map((name) => [name, made[name] as Tensor4D]));
    return {
      x0: tf.clone(x0),
      x,
      target: scheduler.trainingTarget(x0, noise, t),
      weight: tf.tensor4d(weights, [t.length, 1, 1, 1]),
      taught,
    };
  });
  return { ...tensors, t, condition, dispose: () => tf.dispose(tensors) };
}

export type DistillationObjective = DistillationLoss & {
  /** L = L_DDPM + lambda_s L_spatial + lambda_f L_freq. */
  readonly loss: Scalar;
  /** L_DDPM, the squared error of the student's prediction, reduced as the distillation is. */
  readonly diffusion: Scalar;
};

/**
 * What a student is trained on, L = L_DDPM + lambda_s L_spatial + lambda_f L_freq (Yang et al. 2023; paper section
 * "Spectrum-aware distillation"); differentiable in the parameters of student and distillation.
 *
 * @param batch from `distillationBatch`. Borrowed.
 * @returns scalars owned by the caller; `tf.dispose` of the whole frees them.
 * @throws {ShapeError} when the student's output has another shape than the target.
 * @throws {SpectralDiffusionError} that lists what the student lacks.
 */
export function distillationObjective<Condition = undefined>(
  batch: DistillationBatch<Condition>,
  options: { readonly student: DiffusionModel<Condition>; readonly distillation: SpectrumAwareDistillation },
): DistillationObjective {
  const { student, distillation } = options;
  const { x0, x, t, condition, target, weight, taught } = batch;
  return tf.tidy(() => {
    const prediction = student(x, t, condition);
    checkShape('distillationObjective', 'output of the student', prediction.output, target.shape);
    const diffusion = squaredError(prediction.output, target, distillation.config.reduction, weight);
    const distilled = distillation.loss(taught, pairedTensors(prediction), x0);
    return { ...distilled, loss: tf.add<Scalar>(diffusion, distilled.total), diffusion };
  });
}
