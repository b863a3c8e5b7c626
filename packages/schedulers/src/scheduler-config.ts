import { BETA_SCHEDULES, type BetaSchedule } from './beta-schedule';
import type { Clipping } from './clip-sample';
import { booleanField, choiceField, type Fields, integerField, numberField, numbersField } from './config-fields';
import { type NoiseSchedule, noiseSchedule } from './noise-schedule';
import type { PredictionType } from './prediction';
import { TIMESTEP_SPACINGS, type TimestepSpacing } from './timestep-spacing';

// Pieces of configurations: diffusers' scheduler_config.json in camelCase. Plain data, the same after a round trip
// through JSON. Every class has its own selection of them, and its own defaults.

/** The betas of a discrete forward process. */
export type BetaConfig = {
  /** T. */
  readonly numTrainTimesteps: number;
  /** beta at t = 0, in (0, 1). */
  readonly betaStart: number;
  /** beta at t = T - 1, in (0, 1). */
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
  /** Betas in place of a schedule, T of them. */
  readonly trainedBetas: readonly number[] | null;
};

const isBeta = (value: number) => value > 0 && value < 1;
const isPositive = (value: number) => value > 0;

/** diffusers' defaults. */
export const betaFields: Fields<BetaConfig> = {
  numTrainTimesteps: integerField(1000, 1),
  betaStart: numberField(0.0001, 'a number in (0, 1)', isBeta),
  betaEnd: numberField(0.02, 'a number in (0, 1)', isBeta),
  betaSchedule: choiceField('linear', BETA_SCHEDULES),
  trainedBetas: numbersField(),
};

/** The defaults of the classes that come from k-diffusion and Stable Diffusion. */
export const stableDiffusionBetaFields: Fields<BetaConfig> = {
  ...betaFields,
  betaStart: { ...betaFields.betaStart, fallback: 0.00085 },
  betaEnd: { ...betaFields.betaEnd, fallback: 0.012 },
};

export type ZeroSnrConfig = {
  /** Makes the last training step pure noise; see `rescaleZeroTerminalSnr`. */
  readonly rescaleBetasZeroSnr: boolean;
};

export const zeroSnrFields: Fields<ZeroSnrConfig> = { rescaleBetasZeroSnr: booleanField(false) };

/** What a DDPM's model may predict; `flow_prediction` belongs to flow matching. */
export const DDPM_PREDICTION_TYPES = ['epsilon', 'v_prediction', 'sample'] as const satisfies readonly PredictionType[];

export type PredictionConfig = { readonly predictionType: PredictionType };

export const predictionFields: Fields<PredictionConfig> = {
  predictionType: choiceField<PredictionType>('epsilon', DDPM_PREDICTION_TYPES),
};

/** diffusers' rules; `ldm` is one of DDIM and PLMS. */
export const DIFFUSERS_SPACINGS = ['leading', 'trailing', 'linspace'] as const satisfies readonly TimestepSpacing[];

export type SpacingConfig = {
  readonly timestepSpacing: TimestepSpacing;
  /** Added to the timesteps of `leading` and `ldm` spacing. */
  readonly stepsOffset: number;
};

export function spacingFields(
  fallback: TimestepSpacing,
  choices: readonly TimestepSpacing[] = DIFFUSERS_SPACINGS,
): Fields<SpacingConfig> {
  return { timestepSpacing: choiceField(fallback, choices), stepsOffset: integerField(0, 0) };
}

export type ClipConfig = {
  /** Clips the predicted x_0 to [-clipSampleRange, clipSampleRange]: for images, not for latents. */
  readonly clipSample: boolean;
  readonly clipSampleRange: number;
};

export function clipFields(fallback: boolean): Fields<ClipConfig> {
  return { clipSample: booleanField(fallback), clipSampleRange: numberField(1, 'a positive number', isPositive) };
}

export type ThresholdingConfig = {
  /** Dynamic thresholding in place of clipping; see `Clipping`. */
  readonly thresholding: boolean;
  readonly dynamicThresholdingRatio: number;
  readonly sampleMaxValue: number;
};

export const thresholdingFields: Fields<ThresholdingConfig> = {
  thresholding: booleanField(false),
  dynamicThresholdingRatio: numberField(0.995, 'a number in [0, 1]', (value) => value >= 0 && value <= 1),
  sampleMaxValue: numberField(1, 'a positive number', isPositive),
};

/** What DDPM, DDIM and their kin have in common. */
export type SchedulerConfig = BetaConfig &
  ZeroSnrConfig &
  PredictionConfig &
  SpacingConfig &
  ClipConfig &
  ThresholdingConfig;

/** diffusers' defaults. */
export const schedulerFields: Fields<SchedulerConfig> = {
  ...betaFields,
  ...zeroSnrFields,
  ...predictionFields,
  ...spacingFields('leading', TIMESTEP_SPACINGS),
  ...clipFields(true),
  ...thresholdingFields,
};

export function scheduleOf(config: BetaConfig & Partial<ZeroSnrConfig>): NoiseSchedule {
  return noiseSchedule({ ...config, trainTimesteps: config.numTrainTimesteps });
}

export function clippingOf(config: Partial<ClipConfig & ThresholdingConfig>): Clipping | null {
  const {
    thresholding,
    dynamicThresholdingRatio = 0.995,
    sampleMaxValue = 1,
    clipSample,
    clipSampleRange = 1,
  } = config;
  if (thresholding) return { quantile: dynamicThresholdingRatio, maximum: sampleMaxValue };
  return clipSample ? { range: clipSampleRange } : null;
}
