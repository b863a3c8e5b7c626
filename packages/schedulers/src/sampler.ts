import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * An algorithm as a plan: one step per call of the model, every coefficient known before the first one, no state but
 * what a step hands to the next. A new sampler is one file that makes such plans.
 */
export type Sampler = {
  /** The timesteps of the model calls of a run, in order. @throws {ArgumentError} on step counts it cannot take. */
  timesteps(steps: number): readonly number[];
  /** The standard deviation that the starting noise must have. */
  initNoiseSigma(steps: number): number;
  /** @throws {ArgumentError} naming `operation` on timesteps or an eta that it cannot take. */
  plan(operation: string, run: Run): readonly PlannedStep[];
};

/** What a plan is made for. */
export type Run = {
  /** Asked for by the caller, or as many as there are custom timesteps. */
  readonly steps: number;
  /** Custom timesteps, in place of the sampler's own. */
  readonly timesteps: readonly number[] | null;
  /** Left out, the sampler's own default. */
  readonly eta: number | undefined;
};

/** One call of the model and what is made of it. */
export type PlannedStep = {
  /** The timestep that the model gets. */
  readonly t: number;
  /** The model gets x times this; left out, 1. */
  readonly inputScale?: number;
  /** Is a draw of noise needed? */
  readonly drawsNoise: boolean;
  /** x after the step, and what later steps need. Runs in a tidy; everything in `inputs` is borrowed. */
  readonly advance: (inputs: StepInputs) => StepResult;
  /** The x_0 that the output stands for. Runs in a tidy, and only if somebody looks. */
  readonly predictSample: (output: Tensor, x: Tensor) => Tensor;
};

export type StepInputs = {
  readonly output: Tensor;
  readonly x: Tensor;
  /** The draw, if `drawsNoise`. */
  readonly noise: Tensor | null;
  /** What the step before left. */
  readonly memory: readonly Tensor[];
};

/** New tensors only: what is kept of the inputs is cloned, which copies no data. */
export type StepResult = { readonly x: Tensor; readonly memory: Tensor[] };
