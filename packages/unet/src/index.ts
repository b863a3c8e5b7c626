export type { Labels, TextTimeCondition } from './class-conditioning';
export { ClassEmbedder, type ClassEmbedderConfig } from './class-embedder';
export {
  type ResblockUpdown,
  type ResolvedUNetConfig,
  UNET_CONFIG_FIELDS,
  type UNetConfig,
  type WaveletConfig,
} from './config';
export { type CountMacsOptions, countMacs, countParameters } from './counts';
export { type FromDiffusersOptions, unetConfigFromDiffusers, unetConfigToDiffusers } from './diffusers-config';
export { type FeatureShape, featureShapes } from './feature-shapes';
export { unetConfigFromLdm, unetConfigToLdm } from './ldm-config';
export { defaultNormGroups } from './norm-groups';
export { type BlockPlan, type LayerPlan, planUNet, type UNetPlan } from './plan';
export { type PresetName, presets } from './presets';
export { type TimestepEmbeddingOptions, timestepEmbedding } from './timestep-embedding';
export { type Features, type Gates, type Timesteps, UNet, type UNetForwardOptions } from './unet';
