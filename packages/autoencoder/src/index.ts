export { AttnBlock } from './attn-block';
export { AutoencoderKL } from './autoencoder-kl';
export { checkAutoencoderConfig } from './check-config';
export {
  type AutoencoderArchitecture,
  type AutoencoderConfig,
  type AutoencoderKLConfig,
  downsampleFactor,
  groupsOf,
  type VQModelConfig,
} from './config';
export { type Autoencoder, countMacs, countParameters, createAutoencoder } from './create-autoencoder';
export { Decoder } from './decoder';
export { DiagonalGaussian } from './diagonal-gaussian';
export { Downsample } from './downsample';
export { Encoder } from './encoder';
export { FirstStage } from './first-stage';
export {
  autoencoderConfigFromDiffusers,
  autoencoderConfigToDiffusers,
  autoencoderFromDiffusers,
  type DiffusersAutoencoderConfig,
} from './from-diffusers';
export {
  autoencoderConfigFromLdm,
  autoencoderConfigToLdm,
  autoencoderFromLdm,
  type LdmAutoencoderParams,
} from './from-ldm';
export { latentScaleFactor } from './latent-scale-factor';
export type { LayerStyle } from './layers';
export type { AdversarialOptions, AdversarialSchedule } from './losses/adversarial-term';
export {
  type AutoencoderLoss,
  type AutoencoderLossOptions,
  autoencoderLoss,
  type WeightedDistance,
} from './losses/autoencoder-loss';
export { type DiscriminatorLoss, type DiscriminatorLossOptions, discriminatorLoss } from './losses/discriminator-loss';
export {
  NLayerDiscriminator,
  type NLayerDiscriminatorConfig,
} from './losses/n-layer-discriminator';
export { type ReconstructionLossOptions, reconstructionLoss } from './losses/reconstruction-loss';
export { presets } from './presets';
export { type ForwardOptions, ResnetBlock } from './resnet-block';
export { decodeTiled } from './tiling/decode-tiled';
export { encodeTiled } from './tiling/encode-tiled';
export type { TiledOptions } from './tiling/map-tiles';
export { AutoencoderTiny } from './tiny/autoencoder-tiny';
export { type AutoencoderTinyConfig, checkAutoencoderTinyConfig, tinyDownsampleFactor } from './tiny/config';
export { tinyPresets } from './tiny/presets';
export { Upsample } from './upsample';
export { perplexity, type Quantization, VectorQuantizer, type VectorQuantizerConfig } from './vector-quantizer';
export { VQModel } from './vq-model';
