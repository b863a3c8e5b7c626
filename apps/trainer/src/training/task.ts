import type { Module, Parameter } from '@sd/nn';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';

/** The loss of one step and what it is made of. */
export type Objective = {
  readonly loss: Scalar;
  /** Named terms for the log, before their weights. */
  readonly parts: Readonly<Record<string, Scalar>>;
};

/** One thing to train: the loop knows models only through this. */
export interface TrainingTask {
  /** What is trained, for the progress line and the log. */
  readonly label: string;
  /** Which kind of checkpoint this is, so that one of another kind is refused. */
  readonly kind: string;
  /** What must be the same for a checkpoint to be continued: model, data, diffusion process, seed. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Everything trainable, by the prefix that its names have in the checkpoint. */
  readonly modules: Readonly<Record<string, Module>>;
  /** The module whose averaged weights are the result. */
  readonly result: Module;
  /**
   * Data and random numbers of a draw: a function of its number alone, so that a resumed run sees the same. Owned. A step
   * is one draw, or as many as `microBatchSize` goes into the batch: step s begins with draw s times that.
   */
  batch(draw: number): Promise<Readonly<Record<string, Tensor>>>;
  /** Whether `objective` is a function of the batch's tensors alone, and can be replayed on a GPU. */
  readonly isReplayable?: boolean;
  /** Differentiable. The batch is borrowed. */
  objective(batch: Readonly<Record<string, Tensor>>, draw: number): Objective;
  dispose(): void;
}

/** All trainable parameters of a task by the names that they have in the checkpoint. */
export function taskParameters(task: TrainingTask): Map<string, Parameter> {
  return new Map(
    Object.entries(task.modules).flatMap(([prefix, module]) =>
      [...module.parameters()].map(([name, parameter]): [string, Parameter] => [`${prefix}.${name}`, parameter]),
    ),
  );
}
