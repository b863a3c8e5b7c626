export {
  ADAMW_KERNEL,
  AdamW,
  type AdamWClippedStepOptions,
  type AdamWConfig,
  type AdamWStepOptions,
} from './adamw';
export { clipFactor, globalNorm } from './clip';
export { ExponentialMovingAverage } from './ema';
export {
  constantRate,
  cosineDecay,
  type LearningRateSchedule,
  linearDecay,
  withWarmup,
} from './learning-rate';
export { MULTI_TENSOR_ADAMW_KERNEL, type MultiTensorAdamWAttributes } from './multi-tensor-adamw';
