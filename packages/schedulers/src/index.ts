export {
  type BetaSchedule,
  type BetaScheduleOptions,
  betaTable,
  cumulativeAlphas,
  rescaleZeroTerminalSnr,
} from './beta-schedule';
export { type Clipping, clipSample } from './clip-sample';
export { type DDIMConfig, type DDIMStepOptions, ddimScheduler, ddimStep, ldmDdimConfig } from './ddim';
export { type DDPMConfig, type DDPMStepOptions, ddpmScheduler, ddpmStep, type VarianceType } from './ddpm';
export {
  addNoise,
  type ForwardProcess,
  predictedNoise,
  predictedSample,
  snr,
  trainingTarget,
  velocity,
} from './forward-process';
export { type Condition, type GuidanceOptions, withGuidance } from './guidance';
export {
  type LossWeightOptions,
  lossWeight,
  type MinSnrOptions,
  minSnrWeight,
  type P2Options,
  p2Weight,
} from './loss-weight';
export { type NoiseSchedule, type NoiseScheduleOptions, noiseSchedule } from './noise-schedule';
export { type ConvertPredictionOptions, convertPrediction, type PredictionType } from './prediction';
export type { Model, SampleOptions, SampleStep } from './sample-loop';
export type { Scheduler } from './scheduler';
export type { SchedulerConfig } from './scheduler-config';
export { schedulerFromConfig } from './scheduler-from-config';
export type { TimestepSpacing } from './timestep-spacing';
