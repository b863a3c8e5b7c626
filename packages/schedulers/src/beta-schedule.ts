import { ArgumentError, checkInteger } from '@sd/core';

/**
 * How beta_t grows with t, under diffusers' names. LDM's yaml files say `linear` for `scaled_linear`, `sqrt_linear` for
 * `linear` and `cosine` for `squaredcos_cap_v2`.
 */
export type BetaSchedule = (typeof BETA_SCHEDULES)[number];

export const BETA_SCHEDULES = ['linear', 'scaled_linear', 'squaredcos_cap_v2', 'sigmoid'] as const;

export type BetaScheduleOptions = {
  /** T, the number of training steps. */
  readonly trainTimesteps?: number;
  /** beta at t = 0, in (0, 1). Not used by squaredcos_cap_v2. */
  readonly betaStart?: number;
  /** beta at t = T - 1, in (0, 1). Not used by squaredcos_cap_v2. */
  readonly betaEnd?: number;
};

// The cosine schedule never lets a single step destroy more than this share of the signal (Nichol and Dhariwal 2021).
const MAXIMUM_COSINE_BETA = 0.999;

/**
 * The table of beta_t, t = 0..T-1, in float64.
 * - `linear`: from betaStart to betaEnd in equal steps (DDPM)
 * - `scaled_linear`: the square of equal steps from sqrt(betaStart) to sqrt(betaEnd) (LDM)
 * - `squaredcos_cap_v2`: abar(u) = cos^2((u + 0.008) / 1.008 pi/2), beta capped at 0.999 (improved DDPM)
 * - `sigmoid`: a sigmoid of equal steps from -6 to 6, scaled to (betaStart, betaEnd) (GeoDiff)
 *
 * The defaults are those of diffusers and DDPM. Source: diffusers `scheduling_ddpm.py`.
 * @throws {ArgumentError} on an unknown schedule, T that is not a positive integer, or betas outside (0, 1).
 */
export function betaTable(
  schedule: BetaSchedule,
  { trainTimesteps = 1000, betaStart = 0.0001, betaEnd = 0.02 }: BetaScheduleOptions = {},
): Float64Array {
  checkInteger('betaTable', 'trainTimesteps', trainTimesteps);
  checkBeta('betaStart', betaStart);
  checkBeta('betaEnd', betaEnd);
  const beta = betaFunction(schedule, betaStart, betaEnd);
  return Float64Array.from({ length: trainTimesteps }, (_, t) => beta(t, trainTimesteps));
}

/** beta of step t of T. */
type BetaFunction = (t: number, steps: number) => number;

function betaFunction(schedule: BetaSchedule, start: number, end: number): BetaFunction {
  switch (schedule) {
    case 'linear':
      return (t, steps) => equalSteps(start, end, t, steps);
    case 'scaled_linear':
      return (t, steps) => equalSteps(Math.sqrt(start), Math.sqrt(end), t, steps) ** 2;
    case 'squaredcos_cap_v2':
      return (t, steps) =>
        Math.min(1 - cosineAlphaBar((t + 1) / steps) / cosineAlphaBar(t / steps), MAXIMUM_COSINE_BETA);
    case 'sigmoid':
      return (t, steps) => start + (end - start) / (1 + Math.exp(-equalSteps(-6, 6, t, steps)));
    default:
      throw new ArgumentError('betaTable', 'schedule', `one of ${BETA_SCHEDULES.join(', ')}`, schedule);
  }
}

function equalSteps(start: number, end: number, t: number, steps: number): number {
  return steps === 1 ? start : start + ((end - start) * t) / (steps - 1);
}

function cosineAlphaBar(u: number): number {
  return Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2;
}

/** abar_t = prod_{s <= t} (1 - beta_s), in float64. */
export function cumulativeAlphas(betas: Float64Array): Float64Array {
  let product = 1;
  return betas.map((beta) => {
    product *= 1 - beta;
    return product;
  });
}

/**
 * Shifts and scales sqrt(abar) so that the last one is 0 and the first one stays, which makes the last training step
 * see pure noise. Source: Lin et al. 2023, "Common diffusion noise schedules and sample steps are flawed", algorithm 1.
 * @returns the betas of the new table; the last one is 1.
 */
export function rescaleZeroTerminalSnr(betas: Float64Array): Float64Array {
  const roots = cumulativeAlphas(betas).map(Math.sqrt);
  const first = roots[0];
  const last = roots[roots.length - 1];
  const rescaled = roots.map((root) => (((root - last) * first) / (first - last)) ** 2);
  return rescaled.map((alphaBar, t) => 1 - (t === 0 ? alphaBar : alphaBar / rescaled[t - 1]));
}

function checkBeta(argument: string, beta: number): void {
  if (!(beta > 0 && beta < 1)) throw new ArgumentError('betaTable', argument, 'a number in (0, 1)', beta);
}
