export { type FeatureRows, featureRows, readFeatures } from './feature-rows';
export { FeatureStatistics, featureStatistics } from './feature-statistics';
export { frechetDistance } from './frechet-distance';
export { checkImageRange } from './image-values';
export {
  type KernelDistanceEstimate,
  type KernelDistanceOptions,
  kernelDistance,
  kernelDistanceOfSubsets,
} from './kernel-distance';
export { type PrecisionRecall, type PrecisionRecallOptions, precisionRecall } from './precision-recall';
export { psnr } from './psnr';
export { ssim } from './ssim';
