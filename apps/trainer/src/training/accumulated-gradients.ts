import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainingConfig } from '../config/schema';
import type { DrawGradients, LossAndGradients } from './draw-gradients';
import type { TrainingTask } from './task';

/** Examples that are on the device at once. */
export function microBatchSize({ batchSize, microBatchSize = batchSize }: TrainingConfig): number {
  return microBatchSize;
}

/** Draws that make one batch. */
export function drawsPerStep(training: TrainingConfig): number {
  return training.batchSize / microBatchSize(training);
}

/**
 * The mean loss of `draws` small batches, its parts and its gradients: those of one batch of all their examples, where
 * the loss is a mean over examples. One small batch and one sum of gradients are on the device at a time.
 */
export async function accumulatedGradients(
  task: TrainingTask,
  step: number,
  draws: number,
  gradients: DrawGradients,
): Promise<LossAndGradients> {
  let sum = await drawnGradients(task, step * draws, gradients);
  if (draws === 1) return sum;
  for (let draw = 1; draw < draws; draw++) {
    const next = await drawnGradients(task, step * draws + draw, gradients).catch((error: unknown) => {
      disposeGradients(sum);
      throw error;
    });
    sum = replaced([sum, next], (a, b) => (b ? tf.add(a, b) : tf.clone(a)));
  }
  return replaced([sum], (a) => tf.div(a, draws));
}

/** Frees all of it. */
export function disposeGradients({ value, gradients, parts }: LossAndGradients): void {
  tf.dispose([value, ...gradients.values(), ...Object.values(parts)]);
}

async function drawnGradients(task: TrainingTask, draw: number, gradients: DrawGradients): Promise<LossAndGradients> {
  const batch = await task.batch(draw);
  try {
    return gradients.of(batch, draw);
  } finally {
    tf.dispose(Object.values(batch));
  }
}

/** Combines tensor by tensor, and frees what was combined. A gradient may be missing on either side. */
function replaced(terms: readonly LossAndGradients[], combine: (a: Tensor, b?: Tensor) => Tensor): LossAndGradients {
  const [first, second] = terms;
  const gradients = new Map<string, Tensor>();
  for (const [name, gradient] of first.gradients) gradients.set(name, combine(gradient, second?.gradients.get(name)));
  for (const [name, gradient] of second?.gradients ?? []) {
    if (!gradients.has(name)) gradients.set(name, tf.clone(gradient));
  }
  const result = {
    value: combine(first.value, second?.value) as Scalar,
    gradients,
    parts: Object.fromEntries(
      Object.entries(first.parts).map(([name, part]) => [name, combine(part, second?.parts[name]) as Scalar]),
    ),
  };
  for (const term of terms) disposeGradients(term);
  return result;
}
