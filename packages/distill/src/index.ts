export { type DiffusionModel, type ModelOutput, pairedTensors } from './diffusion-model';
export { type FeaturePair, type NamedShape, OUTPUT_PAIR, pairFeatures } from './feature-pair';
export {
  type DistillationConfig,
  type DistillationLoss,
  type PairedTensors,
  SpectrumAwareDistillation,
  spectrumAwareDistillation,
} from './spectrum-aware-distillation';
