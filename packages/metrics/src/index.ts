export { type FeatureRows, featureRows, readFeatures } from './feature-rows';
export { FeatureStatistics, featureStatistics } from './feature-statistics';
export { fidStatistics, type ImageFeatures } from './fid-statistics';
export { frechetDistance } from './frechet-distance';
export { checkImageRange } from './image-values';
export {
  type KernelDistanceEstimate,
  type KernelDistanceOptions,
  kernelDistance,
  kernelDistanceOfSubsets,
} from './kernel-distance';
export { FeatureNetwork, type FeatureOptions, type LayeredNetwork } from './networks/feature-network';
export { InceptionV3 } from './networks/inception-v3';
export { SqueezeNet, type SqueezeNetConfig } from './networks/squeeze-net';
export { VGG16 } from './networks/vgg16';
export { PerceptualDistance } from './perceptual-distance';
export { type PrecisionRecall, type PrecisionRecallOptions, precisionRecall } from './precision-recall';
export { psnr } from './psnr';
export { ssim } from './ssim';
