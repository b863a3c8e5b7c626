import type { Tensor } from '@tensorflow/tfjs-core';
import type { Clipping } from './clip-sample';
import type { Combination } from './combination';
import type { NoiseLevel } from './noise-level';
import type { PredictionMap } from './prediction';

/**
 * An algorithm as a plan: one step per call of the model, every coefficient known before the first one, no state but
 * what a step hands to the next. A new sampler is one file that makes such plans.
 */
export type Sampler = {
  /** The timesteps of the model calls of a run, in order. @throws {ArgumentError} on step counts it cannot take. */
  timesteps(steps: number): readonly number[];
  /** The standard deviation that the starting noise must have. */
  initNoiseSigma(steps: number): number;
  /** @throws {ArgumentError} naming `operation` on timesteps, sigmas or an eta that it cannot take. */
  plan(operation: string, run: Run): readonly PlannedStep[];
};

/** What a plan is made for. */
export type Run = {
  /** Asked for by the caller, or as many as there are custom timesteps or sigmas. */
  readonly steps: number;
  /** Custom timesteps, in place of the sampler's own. */
  readonly timesteps: readonly number[] | null;
  /** Custom ratios of noise to signal, in place of the sampler's own. */
  readonly sigmas: readonly number[] | null;
  /** Steps that are left out at the beginning: a solver that remembers begins there with nothing to remember. */
  readonly start: number;
  /** Left out, the sampler's own default. */
  readonly eta: number | undefined;
};

/** One call of the model and what is made of it. */
export type PlannedStep = {
  /** The timestep that the model gets. */
  readonly t: number;
  /** The model gets x times this; left out, 1. */
  readonly inputScale?: number;
  /** Of x before the step. */
  readonly level: NoiseLevel;
  /** Of x after the step. */
  readonly nextLevel: NoiseLevel;
  /** The x_0 that the output stands for, unclipped. */
  readonly toSample: PredictionMap;
  readonly clipping: Clipping | null;
  /** Does the step take a draw of noise? A draw whose coefficient is 0 is counted, and not made. */
  readonly drawsNoise: boolean;
  /** x after the step. */
  readonly x: Combination;
  /** What later steps need; left out, nothing. */
  readonly memory?: readonly Combination[];
  /** Set where the step only adds noise, without a call of the model. */
  readonly skipsModel?: true;
  /** Set where the known part of inpainting gets the draw of this step, in place of the one draw of the run. */
  readonly redrawsKnown?: true;
};

export type StepInputs = {
  readonly output: Tensor;
  readonly x: Tensor;
  /** The draw, if one is needed. */
  readonly noise: Tensor | null;
  /** What the step before left. */
  readonly memory: readonly Tensor[];
};

/** New tensors only: what is kept of the inputs is cloned, which copies no data. */
export type StepResult = { readonly x: Tensor; readonly memory: Tensor[] };
