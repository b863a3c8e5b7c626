import { ArgumentError } from '@sd/core';
import {
  type BetaSchedule,
  type BetaScheduleOptions,
  betaTable,
  cumulativeAlphas,
  rescaleZeroTerminalSnr,
} from './beta-schedule';

/**
 * The forward process x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps of T training steps, t = 0..T-1, as float64 tables
 * (docs/method.md section 2 writes abar_t; diffusers and we say `alphasCumprod`).
 */
export type NoiseSchedule = {
  /** T. */
  readonly trainTimesteps: number;
  /** beta_t, in (0, 1]. */
  readonly betas: Float64Array;
  /** abar_t = prod_{s <= t} (1 - beta_s), in [0, 1). */
  readonly alphasCumprod: Float64Array;
};

export type NoiseScheduleOptions = BetaScheduleOptions & {
  readonly betaSchedule?: BetaSchedule;
  /** Betas in place of a schedule, as many as training steps. */
  readonly trainedBetas?: ArrayLike<number> | null;
  /** See `rescaleZeroTerminalSnr`. */
  readonly rescaleBetasZeroSnr?: boolean;
};

/**
 * Makes the tables of a forward process. Defaults: diffusers' `linear` betas, 1e-4 to 0.02, 1000 steps.
 * @throws {ArgumentError} on arguments that `betaTable` refuses, and trained betas of another number or outside (0, 1].
 */
export function noiseSchedule(options: NoiseScheduleOptions = {}): NoiseSchedule {
  const { betaSchedule = 'linear', trainedBetas = null, rescaleBetasZeroSnr = false } = options;
  const given = trainedBetas === null ? betaTable(betaSchedule, options) : Float64Array.from(trainedBetas);
  if (trainedBetas !== null) checkTrainedBetas(given, options.trainTimesteps);
  const betas = rescaleBetasZeroSnr ? rescaleZeroTerminalSnr(given) : given;
  return { trainTimesteps: betas.length, betas, alphasCumprod: cumulativeAlphas(betas) };
}

function checkTrainedBetas(betas: Float64Array, count = betas.length): void {
  if (betas.length !== count || count === 0) {
    const expected = count === 0 ? 'at least one number' : `${count} numbers, one per training step`;
    throw new ArgumentError('noiseSchedule', 'trainedBetas', expected, betas.length);
  }
  const wrong = betas.find((beta) => !(beta > 0 && beta <= 1));
  if (wrong !== undefined) throw new ArgumentError('noiseSchedule', 'trainedBetas', 'numbers in (0, 1]', wrong);
}
