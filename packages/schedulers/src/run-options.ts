import { ArgumentError, checkInteger } from '@sd/core';
import type { PlannedStep, Sampler } from './sampler';

/** What says which steps a run takes. */
export type RunOptions = {
  /** Steps of the run, in [1, T]. May be left out with `timesteps` or `sigmas`. */
  readonly steps?: number;
  /** For DDIM: 0 (the default) adds no noise, 1 as much as ancestral sampling. Samplers without it refuse it. */
  readonly eta?: number;
  /** Timesteps in place of the scheduler's own, strictly decreasing. */
  readonly timesteps?: readonly number[];
  /**
   * Ratios of noise to signal in place of the scheduler's own, strictly decreasing; a 0 at the end is where the run ends,
   * and no call of the model. For samplers that step from sigma to sigma.
   */
  readonly sigmas?: readonly number[];
  /**
   * Leaves out the first steps, for image-to-image: x must be the image with the noise of step number `start`; see
   * `startFromImage`.
   */
  readonly start?: number;
};

export type RunPlan = { readonly steps: number; readonly plan: readonly PlannedStep[] };

/** @throws {ArgumentError} on options that do not go together, or that the sampler cannot take. */
export function planOf(operation: string, sampler: Sampler, options: RunOptions): RunPlan {
  const { timesteps = null, sigmas = null, eta, start = 0 } = options;
  if (timesteps !== null && sigmas !== null) {
    throw new ArgumentError(operation, 'sigmas', 'left out where timesteps are given', sigmas);
  }
  const count = timesteps?.length ?? sigmas?.filter((sigma) => sigma !== 0).length;
  const steps = options.steps ?? count;
  if (steps === undefined) throw new ArgumentError(operation, 'steps', 'given, unless timesteps are', steps);
  if (count !== undefined && count !== steps) {
    const name = timesteps === null ? 'sigmas' : 'timesteps';
    throw new ArgumentError(operation, 'steps', `${count}, the number of ${name}, or left out`, steps);
  }
  checkInteger(operation, 'start', start, 0);
  const plan = sampler.plan(operation, { steps, timesteps, sigmas, eta, start });
  return { steps, plan };
}

/** @throws {ArgumentError} unless a run of that many steps has one with this number. */
export function checkStart(operation: string, start: number, steps: number): void {
  if (start >= steps) throw new ArgumentError(operation, 'start', `below ${steps}, the number of steps`, start);
}

/** @throws {ArgumentError} where an eta is given to a sampler that has none. */
export function refuseEta(operation: string, name: string, eta: number | undefined): void {
  if (eta !== undefined) throw new ArgumentError(operation, 'eta', `left out, as ${name} has none`, eta);
}

/** @throws {ArgumentError} where sigmas are given to a sampler that steps from timestep to timestep. */
export function refuseSigmas(operation: string, name: string, sigmas: readonly number[] | null): void {
  if (sigmas !== null) {
    throw new ArgumentError(operation, 'sigmas', `left out, as ${name} goes by timesteps`, sigmas);
  }
}
