import { type ValueAndGradients, valueAndGradients } from '@sd/nn';
import { replayed } from '@sd/webgpu';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainingTask, taskParameters } from './task';

type Batch = Readonly<Record<string, Tensor>>;

/** The loss of a batch, its parts and its gradients. All owned by the caller. */
export type LossAndGradients = ValueAndGradients & { readonly parts: Readonly<Record<string, Scalar>> };

/** What a task's batches give. */
export type DrawGradients = {
  /** @param batch borrowed. */
  of(batch: Batch, draw: number): LossAndGradients;
  dispose(): void;
};

/**
 * Differentiates a task's objective. On WebGPU, where JavaScript takes longer for a small network's step than the GPU, the
 * pass forward and back is recorded once and replayed on other batches, unless the task needs more than their tensors.
 */
export function drawGradients(task: TrainingTask, parameters: ReturnType<typeof taskParameters>): DrawGradients {
  const differentiate = (batch: Batch, draw: number) => differentiated(task, parameters, batch, draw);
  if (!task.isReplayable) return { of: differentiate, dispose: () => {} };
  let names: { readonly batch: readonly string[]; parts: readonly string[]; gradients: readonly string[] } | undefined;
  const gradientsOf = (...tensors: Tensor[]) => {
    const batch = Object.fromEntries((names?.batch ?? []).map((name, i) => [name, tensors[i] as Tensor]));
    const { value, parts, gradients } = differentiate(batch, 0);
    names = { batch: names?.batch ?? [], parts: Object.keys(parts), gradients: [...gradients.keys()] };
    return [value, ...Object.values(parts), ...gradients.values()];
  };
  const pass = replayed(gradientsOf, { weights: () => weightsOf(parameters) });
  return {
    of(batch) {
      names = { batch: Object.keys(batch), parts: names?.parts ?? [], gradients: names?.gradients ?? [] };
      const [value, ...rest] = pass(...Object.values(batch)) as [Scalar, ...Tensor[]];
      const count = names.parts.length;
      return {
        value,
        parts: Object.fromEntries(names.parts.map((name, i) => [name, rest[i] as Scalar])),
        gradients: new Map(names.gradients.map((name, i) => [name, rest[count + i] as Tensor])),
      };
    },
    dispose: pass.dispose,
  };
}

function differentiated(
  task: TrainingTask,
  parameters: ReturnType<typeof taskParameters>,
  batch: Batch,
  draw: number,
): LossAndGradients {
  const parts: Record<string, Scalar> = {};
  try {
    const { value, gradients } = valueAndGradients(() => {
      const objective = task.objective(batch, draw);
      for (const [name, part] of Object.entries(objective.parts)) parts[name] = tf.keep(tf.clone(part));
      return objective.loss;
    }, parameters);
    return { value, gradients, parts };
  } catch (error) {
    tf.dispose(Object.values(parts));
    throw error;
  }
}

const weightsOf = (parameters: ReturnType<typeof taskParameters>) =>
  [...parameters.values()].map(({ value }) => value as Tensor);
