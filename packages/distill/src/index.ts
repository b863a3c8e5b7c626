export { type DiffusionModel, type ModelOutput, pairedTensors } from './diffusion-model';
export {
  type DistillationBatch,
  type DistillationBatchOptions,
  type DistillationObjective,
  distillationBatch,
  distillationObjective,
} from './distillation-objective';
export {
  type FeaturePair,
  type NamedShape,
  OUTPUT_PAIR,
  type PairedTensors,
  pairFeatures,
  pairName,
} from './feature-pair';
export {
  type DistillationConfig,
  type DistillationLoss,
  type DistillationParts,
  SpectrumAwareDistillation,
  spectrumAwareDistillation,
} from './spectrum-aware-distillation';
export type { DistillationReduction } from './squared-error';
