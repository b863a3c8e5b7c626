import { ArgumentError } from '@sd/core';
import { resolveUNetConfig, type UNetConfig, withoutDefaults } from './config';
import { LDM_NORM_GROUPS } from './norm-groups';

const OPERATION = 'unetConfigFromLdm';
const INVERSE = 'unetConfigToLdm';

/** LDM's parameters that have a field here, and those that its later versions (Stable Diffusion 2, XL) have added. */
const FIELDS = {
  image_size: 'imageSize',
  in_channels: 'inChannels',
  out_channels: 'outChannels',
  model_channels: 'modelChannels',
  channel_mult: 'channelMult',
  num_res_blocks: 'numResBlocks',
  attention_resolutions: 'attentionResolutions',
  num_heads: 'numHeads',
  num_head_channels: 'numHeadChannels',
  use_spatial_transformer: 'useSpatialTransformer',
  transformer_depth: 'transformerDepth',
  context_dim: 'contextDim',
  num_classes: 'numClasses',
  use_scale_shift_norm: 'useScaleShiftNorm',
  resblock_updown: 'resblockUpdown',
  dropout: 'dropout',
  legacy: 'legacy',
  use_linear_in_transformer: 'useLinearProjection',
  disable_self_attentions: 'onlyCrossAttention',
  adm_in_channels: 'classEmbeddingDim',
} as const satisfies Record<string, keyof UNetConfig>;

/** Parameters that other values than these would turn into another network. */
const FIXED: Readonly<Record<string, readonly unknown[]>> = {
  dims: [2],
  conv_resample: [true],
  use_new_attention_order: [false],
  num_heads_upsample: [-1],
  n_embed: [null],
  disable_middle_self_attn: [false],
  num_attention_blocks: [null],
};

/** How LDM computes, not what. */
const IGNORED: ReadonlySet<string> = new Set(['use_checkpoint', 'use_fp16']);

/** LDM's default of `channel_mult`. */
const DEFAULT_CHANNEL_MULT = [1, 2, 4, 8];

/**
 * The configuration that LDM's yaml means: `model.params.unet_config.params`, in snake_case, absent parameters having
 * LDM's defaults.
 * @throws {ArgumentError} that names a parameter which LDM does not know or which is not supported.
 */
export function unetConfigFromLdm(params: Readonly<Record<string, unknown>>): UNetConfig {
  const fields: Record<string, unknown> = { channelMult: DEFAULT_CHANNEL_MULT, normGroups: LDM_NORM_GROUPS };
  for (const [name, value] of Object.entries(params)) {
    const allowed = FIXED[name];
    if (allowed) {
      if (!allowed.includes(value)) throw new ArgumentError(OPERATION, name, `${allowed.join(' or ')}`, value);
    } else if (isField(name)) {
      if (!meansNone(name, value)) fields[FIELDS[name]] = value;
    } else if (!IGNORED.has(name)) {
      throw new ArgumentError(OPERATION, 'parameter', "one of LDM's UNetModel", name);
    }
  }
  for (const field of ['imageSize', 'inChannels', 'outChannels', 'modelChannels', 'numResBlocks']) {
    if (!(field in fields)) throw new ArgumentError(OPERATION, snakeCase(field), 'given', undefined);
  }
  if (fields.numClasses === 'sequential') {
    delete fields.numClasses;
    fields.classEmbedding = 'projection';
  }
  const { channelMult, attentionResolutions } = fields as Partial<UNetConfig>;
  if (!Array.isArray(channelMult) || !Array.isArray(attentionResolutions)) {
    const name = Array.isArray(channelMult) ? 'attention_resolutions' : 'channel_mult';
    throw new ArgumentError(OPERATION, name, 'a list of integers', params[name]);
  }
  // LDM never meets a factor beyond its last level, and passes over it
  fields.attentionResolutions = attentionResolutions.filter((factor) => factor < 2 ** channelMult.length);
  return fields as UNetConfig;
}

/** LDM writes "none" as -1 for heads and as null elsewhere; a context is None without a SpatialTransformer. */
function meansNone(name: string, value: unknown): boolean {
  return value === null || value === undefined || (name.startsWith('num_head') && value === -1);
}

function isField(name: string): name is keyof typeof FIELDS {
  return Object.hasOwn(FIELDS, name);
}

function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Fields that LDM has no parameter for, with the only value that it computes with. */
const LDM_ONLY = {
  middleBlock: 'attention',
  middleAttentionGroups: undefined,
  middleScale: 1,
  timeConditionDim: undefined,
  flipSinToCos: true,
  freqShift: 0,
  centerInput: false,
  downsamplePadding: 1,
  normGroups: LDM_NORM_GROUPS,
  normEps: 1e-5,
  resample: 'conv',
} as const satisfies Partial<UNetConfig>;

/**
 * The inverse of `unetConfigFromLdm`: the parameters of LDM's yaml for a configuration.
 * @throws {ArgumentError} that names a field which LDM's UNetModel does not have.
 */
export function unetConfigToLdm(config: UNetConfig): Record<string, unknown> {
  const resolved = resolveUNetConfig(config);
  for (const [field, value] of Object.entries(LDM_ONLY)) {
    const actual = resolved[field as keyof typeof LDM_ONLY];
    if (actual !== value) throw new ArgumentError(INVERSE, field, `${value}, as in LDM`, actual);
  }
  const { numHeads, resblockUpdown, classEmbedding, timeEmbeddingDim, modelChannels, onlyCrossAttention } = resolved;
  if (typeof numHeads === 'object') throw new ArgumentError(INVERSE, 'numHeads', 'one number for all levels', numHeads);
  if (typeof resblockUpdown === 'object') {
    throw new ArgumentError(INVERSE, 'resblockUpdown', 'true or false for all levels', resblockUpdown);
  }
  if (timeEmbeddingDim !== 4 * modelChannels) {
    throw new ArgumentError(INVERSE, 'timeEmbeddingDim', `4 modelChannels, ${4 * modelChannels}`, timeEmbeddingDim);
  }
  if (!['none', 'index', 'projection'].includes(classEmbedding)) {
    throw new ArgumentError(INVERSE, 'classEmbedding', "'none', 'index' or 'projection'", classEmbedding);
  }
  const short: Partial<UNetConfig> = withoutDefaults(config);
  const params: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    if (short[field] !== undefined) params[name] = short[field];
  }
  if (classEmbedding === 'projection') params.num_classes = 'sequential';
  if (onlyCrossAttention === true) params.disable_self_attentions = resolved.channelMult.map(() => true);
  return params;
}
