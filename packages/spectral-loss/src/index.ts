export { type DftOptions, dft2d } from './dft2d';
export { type FocalFrequencyLossOptions, focalFrequencyLoss } from './focal-frequency-loss';
export type { ComplexTensor } from './fourier-planes';
export { type FrequencyErrors, type FrequencyErrorsOptions, frequencyErrors } from './frequency-errors';
export { idft2d } from './idft2d';
export { luma } from './luma';
export { naturalSpectrum } from './natural-spectrum';
export type { FftNorm } from './norm';
export { radialSpectrum } from './radial-spectrum';
export type { ResizeMethod } from './resize-matrix';
export { type ResizeOptions, resize2d } from './resize2d';
export { type Reduction, type SpectralLossOptions, spectralLoss } from './spectral-loss';
export { SPECTRAL_POWER_GRAD_KERNEL, SPECTRAL_POWER_KERNEL } from './spectral-power';
export { type ChannelReduction, type SpectralWeightOptions, spectralWeight } from './spectral-weight';
export {
  type RadialSpectrum,
  type SpectrumState,
  SpectrumStatistics,
  type SpectrumStatisticsOptions,
} from './spectrum-statistics';
export { noiseFilter, noiseFilterPublished, wienerFilter } from './wiener';
