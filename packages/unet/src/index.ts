export type { UNetConfig, WaveletConfig } from './config';
export { type CountMacsOptions, countMacs, countParameters } from './counts';
export { type FeatureShape, featureShapes } from './feature-shapes';
export { unetConfigFromLdm } from './ldm-config';
export { defaultNormGroups } from './norm-groups';
export { type PresetName, presets } from './presets';
export { timestepEmbedding } from './timestep-embedding';
export { type Features, type Gates, type Timesteps, UNet, type UNetForwardOptions } from './unet';
