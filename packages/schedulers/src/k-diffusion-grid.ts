import { ArgumentError, checkInteger } from '@sd/core';
import { varianceExploding } from './noise-level';
import type { NoiseSchedule } from './noise-schedule';
import { checkStart, refuseEta } from './run-options';
import type { Run, Sampler } from './sampler';
import type { SpacingConfig } from './scheduler-config';
import type { SigmaRule } from './sigma-config';
import {
  checkedSigmas,
  checkFractionalTimestep,
  checkFractionalTimesteps,
  sigmaAt,
  sigmaTable,
  timestepOfSigma,
} from './sigma-table';
import { roundHalfToEven, spacedTimesteps } from './timestep-spacing';

// What the samplers that came to diffusers from k-diffusion have in common: x = x_0 + sigma eps, a model that gets
// x / sqrt(sigma^2 + 1), and timesteps that may be fractions.

/** Timesteps of the S steps of a run, and S + 1 sigmas: the last one is where the run ends. */
export type Grid = { readonly timesteps: readonly number[]; readonly sigmas: readonly number[] };

export type KDiffusionOptions = SpacingConfig & {
  readonly name: string;
  readonly schedule: NoiseSchedule;
  readonly sigmaRule: SigmaRule | null;
  /** The first and last sigma for the rule; null, those of the spaced timesteps. */
  readonly sigmaRange?: { readonly maximum: number | null; readonly minimum: number | null };
  /** `log_linear`: S + 1 equal steps of log(sigma) over the table, whatever the timesteps. */
  readonly interpolation?: 'linear' | 'log_linear';
  /** Ends at the sigma of t = 0 in place of 0. */
  readonly endsAtMinimum?: boolean;
  /** Are the timesteps of a sigma rule rounded? */
  readonly roundsTimesteps?: boolean;
  /** The timestep that the model gets for a sigma, in place of a training step. */
  readonly timestepOf?: ((sigma: number) => number) | null;
};

/** What a sampler of this kind makes of a grid: the plan from a step on. */
export type KDiffusionPlan = (operation: string, grid: Grid, start: number) => ReturnType<Sampler['plan']>;

export type KDiffusion = {
  readonly sampler: Sampler;
  readonly levelAt: (t: number, operation: string) => ReturnType<typeof varianceExploding>;
};

/** The sampler that makes its plans on such grids. */
export function kDiffusion(options: KDiffusionOptions, plan: KDiffusionPlan): KDiffusion {
  const { name, schedule, timestepSpacing } = options;
  const table = sigmaTable(schedule.alphasCumprod);
  const gridOf = (operation: string, run: Pick<Run, 'steps' | 'timesteps' | 'sigmas'>) =>
    kDiffusionGrid(operation, options, table, run);
  const own = (operation: string, steps: number) => gridOf(operation, { steps, timesteps: null, sigmas: null });
  return {
    sampler: {
      timesteps(steps) {
        const operation = `${name}.timesteps`;
        return plan(operation, own(operation, steps), 0).map(({ t }) => t);
      },
      initNoiseSigma(steps) {
        const [largest] = own(`${name}.initNoiseSigma`, steps).sigmas;
        return timestepSpacing === 'leading' ? Math.hypot(largest, 1) : largest;
      },
      plan(operation, run) {
        refuseEta(operation, name, run.eta);
        const grid = gridOf(operation, run);
        checkStart(operation, run.start, grid.timesteps.length);
        return plan(operation, grid, run.start);
      },
    },
    levelAt(t, operation) {
      if (options.timestepOf) return varianceExploding(Math.exp(4 * t));
      checkFractionalTimestep(operation, t, table.length);
      return varianceExploding(sigmaAt(table, t));
    },
  };
}

function kDiffusionGrid(
  operation: string,
  options: KDiffusionOptions,
  table: Float64Array,
  { steps, timesteps: given, sigmas: givenSigmas }: Pick<Run, 'steps' | 'timesteps' | 'sigmas'>,
): Grid {
  const { sigmaRule, sigmaRange, interpolation, endsAtMinimum = false, roundsTimesteps = false, timestepOf } = options;
  const end = endsAtMinimum ? table[0] : 0;
  const toTimestep = (sigma: number) => timestepOfSigma(table, sigma);
  if (givenSigmas !== null) {
    const sigmas = checkedSigmas(operation, givenSigmas);
    const timesteps = sigmas.map(timestepOf ?? toTimestep);
    return { timesteps, sigmas: [...sigmas, givenSigmas.length > sigmas.length ? 0 : end] };
  }
  if (given !== null) {
    checkFractionalTimesteps(operation, given, table.length);
    if (sigmaRule !== null || timestepOf) {
      throw new ArgumentError(operation, 'timesteps', 'left out, as the scheduler chooses sigmas', given);
    }
  }
  const visited = given ?? kDiffusionTimesteps(operation, options, steps);
  const spaced = visited.map((t) => sigmaAt(table, t));
  if (sigmaRule !== null) {
    const maximum = sigmaRange?.maximum ?? spaced[0];
    const minimum = sigmaRange?.minimum ?? spaced[spaced.length - 1];
    const sigmas = sigmaRule({ steps, maximum, minimum });
    const exact = sigmas.map(timestepOf ?? toTimestep);
    return { timesteps: roundsTimesteps ? exact.map(roundHalfToEven) : exact, sigmas: [...sigmas, end] };
  }
  const sigmas = interpolation === 'log_linear' ? logLinear(table, steps) : [...spaced, end];
  return { timesteps: timestepOf ? sigmas.slice(0, steps).map(timestepOf) : visited, sigmas };
}

/** As `spacedTimesteps`, but `linspace` is not rounded. */
function kDiffusionTimesteps(operation: string, options: KDiffusionOptions, steps: number): readonly number[] {
  const { schedule, timestepSpacing: spacing, stepsOffset } = options;
  const { trainTimesteps } = schedule;
  if (spacing !== 'linspace') return spacedTimesteps(operation, { steps, trainTimesteps, spacing, stepsOffset });
  checkInteger(operation, 'steps', steps);
  if (steps > trainTimesteps) {
    throw new ArgumentError(operation, 'steps', `at most ${trainTimesteps}, the number of training steps`, steps);
  }
  if (steps === 1) return [0];
  return Array.from({ length: steps }, (_, i) => ((trainTimesteps - 1) * (steps - 1 - i)) / (steps - 1));
}

/** S + 1 values from the largest to the smallest of the table; the last one is where the run ends. */
function logLinear(table: Float64Array, steps: number): number[] {
  const [low, high] = [Math.log(table[0]), Math.log(table[table.length - 1])];
  return Array.from({ length: steps + 1 }, (_, i) => Math.exp(high + (i / steps) * (low - high)));
}
