import { ArgumentError, checkInteger } from '@sd/core';

/**
 * Which of the T training steps a run of S steps visits (Lin et al. 2023, table 2). r = floor(T / S), o = stepsOffset:
 * - `leading`: o + r i, i = 0..S-1
 * - `trailing`: round(T - i T/S) - 1, which always begins at T - 1
 * - `linspace`: S equal steps from 0 to T - 1, rounded
 * - `ldm`: o + r i as long as r i < T, LDM's own rule. The same as `leading` where S divides T; else it takes more steps
 *   than asked
 *
 * The first three are diffusers' values, to the last rounding; o moves `leading` and `ldm` only, as there.
 */
export type TimestepSpacing = (typeof TIMESTEP_SPACINGS)[number];

export const TIMESTEP_SPACINGS = ['leading', 'trailing', 'linspace', 'ldm'] as const;

export type TimestepSpacingOptions = {
  /** S, in [1, trainTimesteps]. */
  readonly steps: number;
  /** T. */
  readonly trainTimesteps: number;
  readonly spacing: TimestepSpacing;
  readonly stepsOffset?: number;
};

/**
 * The timesteps of a run, decreasing.
 * @throws {ArgumentError} when steps is no integer in [1, T], or the offset pushes a timestep beyond T - 1.
 */
export function spacedTimesteps(
  operation: string,
  { steps, trainTimesteps, spacing, stepsOffset = 0 }: TimestepSpacingOptions,
): number[] {
  checkInteger(operation, 'steps', steps);
  if (steps > trainTimesteps) {
    throw new ArgumentError(operation, 'steps', `at most ${trainTimesteps}, the number of training steps`, steps);
  }
  const timesteps = rules[spacing](steps, trainTimesteps, stepsOffset);
  if (timesteps[0] >= trainTimesteps) {
    const reached = `such that ${spacing} spacing with offset ${stepsOffset} stays within ${trainTimesteps - 1}`;
    throw new ArgumentError(operation, 'steps', reached, steps);
  }
  return timesteps;
}

type Rule = (steps: number, trainTimesteps: number, offset: number) => number[];

const rules: Record<TimestepSpacing, Rule> = {
  leading: (steps, total, offset) => {
    const stride = Math.floor(total / steps);
    return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride + offset);
  },
  ldm: (steps, total, offset) => {
    const stride = Math.floor(total / steps);
    const count = Math.ceil(total / stride);
    return Array.from({ length: count }, (_, i) => (count - 1 - i) * stride + offset);
  },
  linspace: (steps, total) => {
    const stride = (total - 1) / (steps - 1);
    const at = (i: number) => (i === steps - 1 && i > 0 ? total - 1 : roundHalfToEven(i === 0 ? 0 : i * stride));
    return Array.from({ length: steps }, (_, i) => at(steps - 1 - i));
  },
  trailing: (steps, total) => {
    // NumPy's arange multiplies the difference of its first two values, whose rounding decides the ties below.
    const stride = total - total / steps - total;
    return Array.from({ length: steps }, (_, i) => roundHalfToEven(total + i * stride) - 1);
  },
};

/** NumPy's rounding. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** @throws {ArgumentError} unless timesteps are strictly decreasing integers in [0, T). */
export function checkTimesteps(operation: string, timesteps: readonly number[], trainTimesteps: number): void {
  const valid = timesteps.every(
    (t, i) => Number.isInteger(t) && t >= 0 && t < trainTimesteps && (i === 0 || t < timesteps[i - 1]),
  );
  if (!valid || timesteps.length === 0) {
    const expected = `strictly decreasing integers in [0, ${trainTimesteps - 1}], at least one`;
    throw new ArgumentError(operation, 'timesteps', expected, timesteps);
  }
}
