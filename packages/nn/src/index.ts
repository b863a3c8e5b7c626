export { add } from './add';
export { affine } from './affine';
export { ATTENTION_GRAD_KERNEL, ATTENTION_KERNEL, scaledDotProductAttention } from './attention';
export { BatchNorm2d, type BatchNorm2dConfig, type BatchNorm2dOptions } from './batch-norm-2d';
export { checkpointed } from './checkpointed';
export { Conv2d, type Conv2dConfig, type Padding } from './conv2d';
export { dropout } from './dropout';
export { Embedding, type EmbeddingConfig } from './embedding';
export { gelu } from './gelu';
export { type ValueAndGradients, valueAndGradients } from './gradients';
export {
  GROUP_NORM_GRAD_KERNEL,
  GROUP_NORM_KERNEL,
  GroupNorm,
  type GroupNormConfig,
  type GroupNormOptions,
  groupNorm,
} from './group-norm';
export { type Initializer, normalInit, ones, torchDefaultInit, uniformInit, zeros } from './init';
export { LayerNorm, type LayerNormConfig } from './layer-norm';
export type { Layout } from './layout';
export { Linear, type LinearConfig } from './linear';
export type {
  LayoutOptions,
  LoadOptions,
  LoadPlan,
  LoadStep,
  TensorShapes,
} from './load-plan';
export { Module } from './module';
export type { Parameter } from './parameter';
export {
  SELF_ATTENTION_GRAD_KERNEL,
  SELF_ATTENTION_KERNEL,
  type SelfAttentionAttributes,
  selfAttention,
} from './self-attention';
export { SILU_GRAD_KERNEL, SILU_KERNEL, silu } from './silu';
export { CountBuffer, type StateBuffer, TensorBuffer } from './state-buffer';
export { StateDictError, type StateDictFaults, withoutPrefix, withPrefix } from './state-dict';
export {
  type FoundLayout,
  interleaved,
  type LayoutPlace,
  ownLayout,
  renamed,
  type StateDictLayout,
  type TensorMapping,
  type TensorSource,
} from './state-dict-layout';
export { averagePool2x, upsampleNearest2x } from './upsample';
export { UPSAMPLED_CONV2D_GRAD_KERNEL, UPSAMPLED_CONV2D_KERNEL, upsampledConv2d } from './upsampled-conv2d';
