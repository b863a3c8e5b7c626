import { ArgumentError } from '@sd/core';
import type { UNetConfig } from './config';
import { LDM_NORM_GROUPS } from './norm-groups';

const OPERATION = 'unetConfigFromLdm';

/** LDM's parameters that have a field here. */
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
} as const satisfies Record<string, keyof UNetConfig>;

/** Parameters that other values than these would turn into another network. */
const FIXED: Readonly<Record<string, readonly unknown[]>> = {
  dims: [2],
  conv_resample: [true],
  use_new_attention_order: [false],
  num_heads_upsample: [-1],
  n_embed: [null],
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
