export { ADAMW_KERNEL, AdamW, type AdamWConfig, type AdamWStepOptions } from './adamw';
export { clipFactor, globalNorm } from './clip';
export { ExponentialMovingAverage } from './ema';
export {
  constantRate,
  cosineDecay,
  type LearningRateSchedule,
  linearDecay,
  withWarmup,
} from './learning-rate';
