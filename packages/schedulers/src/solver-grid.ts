import { ArgumentError, checkInteger } from '@sd/core';
import { booleanField, type Fields, numberField } from './config-fields';
import { type NoiseLevel, straightLine, variancePreserving } from './noise-level';
import type { NoiseSchedule } from './noise-schedule';
import type { Run } from './sampler';
import type { SpacingConfig } from './scheduler-config';
import type { SigmaRule } from './sigma-config';
import { checkedSigmas, checkFractionalTimestep, sigmaAt, sigmaTable, timestepOfSigma } from './sigma-table';
import { checkTimesteps, roundHalfToEven } from './timestep-spacing';

// What DPM-Solver, DEIS, UniPC and SA-Solver have in common: x of variance 1, whole timesteps, and S steps between S + 1
// points, of which the last is the end of the run.

/** A point of a run. The model is called at all but the last. */
export type Point = NoiseLevel & {
  readonly t: number;
  /** log(signal / noise). */
  readonly lambda: number;
};

export type FlowSigmaConfig = {
  /** Flow matching: sigma is the share of noise in x = (1 - sigma) x_0 + sigma eps. */
  readonly useFlowSigmas: boolean;
  /** s: sigma' = s sigma / (1 + (s - 1) sigma) gives more of the run to the noise. */
  readonly flowShift: number;
};

export const flowSigmaFields: Fields<FlowSigmaConfig> = {
  useFlowSigmas: booleanField(false),
  flowShift: numberField(1, 'a positive number', (value) => value > 0),
};

export type SolverGridOptions = SpacingConfig & {
  readonly schedule: NoiseSchedule;
  readonly sigmaRule: SigmaRule | null;
  readonly sigmaRange?: { readonly maximum: number | null; readonly minimum: number | null };
  /** The sigmas of flow matching, for S steps; null, where it is none. */
  readonly flowSigmas: ((steps: number) => number[]) | null;
  /** `zero`; `table`: the sigma of t = 0; `repeated`: the sigma before it, for a sigma rule, and that of t = 0 else. */
  readonly end: 'zero' | 'table' | 'repeated';
  /** Are the timesteps of a sigma rule rounded, or cut? */
  readonly roundsTimesteps: boolean;
  /** Training steps whose lambda is below are left out. */
  readonly lambdaMinClipped?: number | null;
};

export type SolverGrid = {
  /** @throws {ArgumentError} naming `operation` on steps, timesteps and sigmas that it cannot take. */
  readonly points: (operation: string, run: Pick<Run, 'steps' | 'timesteps' | 'sigmas'>) => readonly Point[];
  readonly levelAt: (t: number, operation: string) => NoiseLevel;
};

export function solverGrid(options: SolverGridOptions): SolverGrid {
  const { schedule, flowSigmas } = options;
  const { trainTimesteps } = schedule;
  const table = sigmaTable(schedule.alphasCumprod);
  const levelOf = flowSigmas === null ? variancePreserving : straightLine;
  return {
    points(operation, run) {
      const { timesteps, sigmas } = visitedSigmas(operation, options, table, run);
      return sigmas.map((sigma, index) => {
        const { signal, noise } = levelOf(sigma);
        const lambda = flowSigmas === null ? -Math.log(sigma) : Math.log(signal) - Math.log(noise);
        return { t: timesteps[index] ?? 0, signal, noise, lambda };
      });
    },
    levelAt(t, operation) {
      if (flowSigmas === null) {
        checkFractionalTimestep(operation, t, trainTimesteps);
        return variancePreserving(sigmaAt(table, t));
      }
      if (!(t >= 0 && t <= trainTimesteps)) {
        throw new ArgumentError(operation, 't', `a number in [0, ${trainTimesteps}]`, t);
      }
      return straightLine(t / trainTimesteps);
    },
  };
}

/** S timesteps and S + 1 sigmas. */
function visitedSigmas(
  operation: string,
  options: SolverGridOptions,
  table: Float64Array,
  { steps, timesteps: given, sigmas: givenSigmas }: Pick<Run, 'steps' | 'timesteps' | 'sigmas'>,
): { readonly timesteps: readonly number[]; readonly sigmas: readonly number[] } {
  const { schedule, sigmaRule, flowSigmas, roundsTimesteps, end } = options;
  const { trainTimesteps } = schedule;
  const round = roundsTimesteps ? roundHalfToEven : Math.trunc;
  const toTimestep = (sigma: number) =>
    flowSigmas === null ? round(timestepOfSigma(table, sigma)) : Math.trunc(sigma * trainTimesteps);
  const last = end === 'zero' ? 0 : table[0];
  const ended = (sigmas: readonly number[]) => [...sigmas, end === 'repeated' ? sigmas[sigmas.length - 1] : last];
  if (givenSigmas !== null) {
    const sigmas = checkedSigmas(operation, givenSigmas);
    if (flowSigmas !== null && sigmas[0] > 1) {
      throw new ArgumentError(operation, 'sigmas', 'at most 1 for flow matching', sigmas);
    }
    const withEnd = givenSigmas.length > sigmas.length ? [...sigmas, 0] : ended(sigmas);
    return { timesteps: sigmas.map(toTimestep), sigmas: withEnd };
  }
  if (given !== null) {
    checkTimesteps(operation, given, trainTimesteps);
    if (sigmaRule !== null || flowSigmas !== null) {
      throw new ArgumentError(operation, 'timesteps', 'left out, as the scheduler chooses sigmas', given);
    }
    return { timesteps: given, sigmas: [...given.map((t) => sigmaAt(table, t)), last] };
  }
  checkInteger(operation, 'steps', steps);
  if (steps > trainTimesteps) {
    throw new ArgumentError(operation, 'steps', `at most ${trainTimesteps}, the number of training steps`, steps);
  }
  if (sigmaRule !== null) {
    const maximum = options.sigmaRange?.maximum ?? table[table.length - 1];
    const minimum = options.sigmaRange?.minimum ?? table[0];
    const ratios = sigmaRule({ steps, maximum, minimum });
    const sigmas = flowSigmas === null ? ratios : ratios.map((ratio) => ratio / (ratio + 1));
    return { timesteps: sigmas.map(toTimestep), sigmas: ended(sigmas) };
  }
  if (flowSigmas !== null) {
    const sigmas = flowSigmas(steps);
    return { timesteps: sigmas.map(toTimestep), sigmas: ended(sigmas) };
  }
  const timesteps = solverTimesteps(operation, options, steps);
  return { timesteps, sigmas: [...timesteps.map((t) => sigmaAt(table, t)), last] };
}

/**
 * The S first of S + 1 timesteps, the last of which, the end, would be 0 (but for `trailing`): these solvers count the
 * end as one.
 */
function solverTimesteps(operation: string, options: SolverGridOptions, steps: number): number[] {
  const { timestepSpacing, stepsOffset, schedule, lambdaMinClipped } = options;
  const total = schedule.trainTimesteps - clippedTimesteps(schedule, lambdaMinClipped ?? Number.NEGATIVE_INFINITY);
  const at = (i: number): number => {
    switch (timestepSpacing) {
      case 'linspace':
        return roundHalfToEven(((total - 1) / steps) * (steps - i));
      case 'leading':
        return Math.floor(total / (steps + 1)) * (steps - i) + stepsOffset;
      default:
        return roundHalfToEven(total - i * (schedule.trainTimesteps / steps)) - 1;
    }
  };
  const timesteps = Array.from({ length: steps }, (_, i) => at(i));
  const decreasing = timesteps.every((t, i) => t >= 0 && (i === 0 || t < timesteps[i - 1]));
  if (!decreasing || timesteps[0] >= schedule.trainTimesteps) {
    const expected = `fewer, so that ${timestepSpacing} spacing gives decreasing timesteps in [0, ${total - 1}]`;
    throw new ArgumentError(operation, 'steps', expected, steps);
  }
  return timesteps;
}

function clippedTimesteps({ alphasCumprod }: NoiseSchedule, lambdaMin: number): number {
  return sigmaTable(alphasCumprod).filter((sigma) => -Math.log(sigma) < lambdaMin).length;
}

/** S shares of noise from almost 1 down, the end, 0, left out; as DPM-Solver, DEIS and SA-Solver of diffusers have it. */
export function flowSigmas({ flowShift }: FlowSigmaConfig, trainTimesteps: number, steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => shiftSigma((1 - 1 / trainTimesteps) * (1 - i / steps), flowShift));
}

/** sigma' = s sigma / (1 + (s - 1) sigma) (Esser et al. 2024, section 5.3.2). */
export function shiftSigma(sigma: number, shift: number): number {
  return (shift * sigma) / (1 + (shift - 1) * sigma);
}
