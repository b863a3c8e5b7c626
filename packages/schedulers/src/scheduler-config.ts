import { BETA_SCHEDULES, type BetaSchedule } from './beta-schedule';
import type { Clipping } from './clip-sample';
import { booleanField, choiceField, type Fields, integerField, numberField, numbersField } from './config-fields';
import { type NoiseSchedule, noiseSchedule } from './noise-schedule';
import { PREDICTION_TYPES, type PredictionType } from './prediction';
import { TIMESTEP_SPACINGS, type TimestepSpacing } from './timestep-spacing';

/**
 * What all schedulers of a discrete forward process have in common: diffusers' scheduler_config.json in camelCase.
 * Plain data, the same after a round trip through JSON.
 */
export type SchedulerConfig = {
  /** T. */
  readonly numTrainTimesteps: number;
  /** beta at t = 0, in (0, 1). */
  readonly betaStart: number;
  /** beta at t = T - 1, in (0, 1). */
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
  /** Betas in place of a schedule, T of them. */
  readonly trainedBetas: readonly number[] | null;
  /** Makes the last training step pure noise; see `rescaleZeroTerminalSnr`. */
  readonly rescaleBetasZeroSnr: boolean;
  readonly predictionType: PredictionType;
  readonly timestepSpacing: TimestepSpacing;
  /** Added to the timesteps of `leading` and `ldm` spacing. */
  readonly stepsOffset: number;
  /** Clips the predicted x_0 to [-clipSampleRange, clipSampleRange]: for images, not for latents. */
  readonly clipSample: boolean;
  readonly clipSampleRange: number;
  /** Dynamic thresholding in place of clipping; see `Clipping`. */
  readonly thresholding: boolean;
  readonly dynamicThresholdingRatio: number;
  readonly sampleMaxValue: number;
};

const isBeta = (value: number) => value > 0 && value < 1;
const isPositive = (value: number) => value > 0;

/** diffusers' defaults. */
export const schedulerFields: Fields<SchedulerConfig> = {
  numTrainTimesteps: integerField(1000, 1),
  betaStart: numberField(0.0001, 'a number in (0, 1)', isBeta),
  betaEnd: numberField(0.02, 'a number in (0, 1)', isBeta),
  betaSchedule: choiceField('linear', BETA_SCHEDULES),
  trainedBetas: numbersField(),
  rescaleBetasZeroSnr: booleanField(false),
  predictionType: choiceField('epsilon', PREDICTION_TYPES),
  timestepSpacing: choiceField('leading', TIMESTEP_SPACINGS),
  stepsOffset: integerField(0, 0),
  clipSample: booleanField(true),
  clipSampleRange: numberField(1, 'a positive number', isPositive),
  thresholding: booleanField(false),
  dynamicThresholdingRatio: numberField(0.995, 'a number in [0, 1]', (value) => value >= 0 && value <= 1),
  sampleMaxValue: numberField(1, 'a positive number', isPositive),
};

export function scheduleOf(config: SchedulerConfig): NoiseSchedule {
  return noiseSchedule({ ...config, trainTimesteps: config.numTrainTimesteps });
}

export function clippingOf(config: SchedulerConfig): Clipping | null {
  if (config.thresholding) return { quantile: config.dynamicThresholdingRatio, maximum: config.sampleMaxValue };
  return config.clipSample ? { range: config.clipSampleRange } : null;
}
