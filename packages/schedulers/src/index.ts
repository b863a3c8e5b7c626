export {
  type BetaSchedule,
  type BetaScheduleOptions,
  betaTable,
  cumulativeAlphas,
  rescaleZeroTerminalSnr,
} from './beta-schedule';
export { type Clipping, clipSample } from './clip-sample';
export type { Combination } from './combination';
export { type DDIMConfig, type DDIMStepOptions, ddimScheduler, ddimStep, ldmDdimConfig } from './ddim';
export { type DDIMInverseConfig, ddimInverseScheduler } from './ddim-inverse';
export { type DDPMConfig, type DDPMStepOptions, ddpmScheduler, ddpmStep, type VarianceType } from './ddpm';
export { type DEISConfig, deisScheduler } from './deis';
export { type DPMSolverMultistepConfig, dpmSolverMultistepScheduler } from './dpm-solver-multistep';
export { type DPMSolverSDEConfig, dpmSolverSdeScheduler } from './dpm-solver-sde';
export { type DPMSolverSinglestepConfig, dpmSolverSinglestepScheduler } from './dpm-solver-singlestep';
export type { DPMSolverAlgorithm, DPMSolverType } from './dpm-solver-update';
export type { EDMConfig } from './edm';
export { type EDMDPMSolverMultistepConfig, edmDpmSolverMultistepScheduler } from './edm-dpm-solver-multistep';
export { type EDMEulerConfig, edmEulerScheduler } from './edm-euler';
export { type EulerConfig, eulerScheduler } from './euler';
export { type EulerAncestralConfig, eulerAncestralScheduler } from './euler-ancestral';
export { type FlowMatchEulerConfig, flowMatchEulerScheduler } from './flow-match-euler';
export { type FlowMatchHeunConfig, flowMatchHeunScheduler } from './flow-match-heun';
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
export { type HeunConfig, heunScheduler } from './heun';
export type { Inpainting } from './inpainting';
export { type KDPM2Config, kdpm2Scheduler } from './kdpm2';
export { kdpm2AncestralScheduler } from './kdpm2-ancestral';
export { type LCMConfig, lcmScheduler } from './lcm';
export { type LMSConfig, lmsScheduler } from './lms';
export {
  type LossWeightOptions,
  lossWeight,
  type MinSnrOptions,
  minSnrWeight,
  type P2Options,
  p2Weight,
} from './loss-weight';
export type { NoiseLevel } from './noise-level';
export { type NoiseSchedule, type NoiseScheduleOptions, noiseSchedule } from './noise-schedule';
export { ldmPlmsConfig, type PNDMConfig, pndmScheduler } from './pndm';
export {
  type ConvertPredictionOptions,
  convertPrediction,
  type PredictionMap,
  type PredictionType,
} from './prediction';
export { type RePaintConfig, repaintScheduler } from './repaint';
export type { RunOptions } from './run-options';
export { type SASolverConfig, saSolverScheduler } from './sa-solver';
export type { Model, SampleOptions, SampleStep } from './sample-loop';
export type { PlannedStep } from './sampler';
export type { Scheduler } from './scheduler';
export type {
  BetaConfig,
  ClipConfig,
  PredictionConfig,
  SchedulerConfig,
  SpacingConfig,
  ThresholdingConfig,
  ZeroSnrConfig,
} from './scheduler-config';
export { schedulerFromConfig } from './scheduler-from-config';
export type { FinalSigmaConfig, SigmaConfig } from './sigma-config';
export { betaSigmas, exponentialSigmas, karrasSigmas, luSigmas, type SigmaRange } from './sigma-spacing';
export type { SolverPredictionConfig } from './solver-config';
export type { FlowSigmaConfig } from './solver-grid';
export type { ImageStart, ImageStartOptions } from './start-from-image';
export { type TCDConfig, tcdScheduler } from './tcd';
export type { TimestepSpacing } from './timestep-spacing';
export { type UniPCConfig, uniPcScheduler } from './unipc';
