import { ArgumentError } from '@sd/core';
import { type ResolvedUNetConfig, resolveUNetConfig, type UNetConfig, withoutDefaults } from './config';
import { planUNet } from './plan';

const OPERATION = 'unetConfigFromDiffusers';
const INVERSE = 'unetConfigToDiffusers';

type Json = Readonly<Record<string, unknown>>;
type ModelClass = 'UNet2DModel' | 'UNet2DConditionModel';

/** What both classes take, with its default. */
const SHARED = {
  sample_size: null,
  center_input_sample: false,
  flip_sin_to_cos: true,
  freq_shift: 0,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  downsample_padding: 1,
  dropout: 0,
  act_fn: 'silu',
  attention_head_dim: 8,
  norm_num_groups: 32,
  norm_eps: 1e-5,
  resnet_time_scale_shift: 'default',
  class_embed_type: null,
  num_class_embeds: null,
  time_embedding_type: 'positional',
  time_embedding_dim: null,
};

/** The constructors' parameters and defaults. */
const DEFAULTS: Record<ModelClass, Json> = {
  UNet2DModel: {
    ...SHARED,
    in_channels: 3,
    out_channels: 3,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D'],
    mid_block_type: 'UNetMidBlock2D',
    up_block_types: ['AttnUpBlock2D', 'AttnUpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    block_out_channels: [224, 448, 672, 896],
    downsample_type: 'conv',
    upsample_type: 'conv',
    attn_norm_num_groups: null,
    add_attention: true,
    num_train_timesteps: null,
  },
  UNet2DConditionModel: {
    ...SHARED,
    in_channels: 4,
    out_channels: 4,
    down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
    mid_block_type: 'UNetMidBlock2DCrossAttn',
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
    block_out_channels: [320, 640, 1280, 1280],
    only_cross_attention: false,
    cross_attention_dim: 1280,
    transformer_layers_per_block: 1,
    reverse_transformer_layers_per_block: null,
    encoder_hid_dim: null,
    encoder_hid_dim_type: null,
    num_attention_heads: null,
    dual_cross_attention: false,
    use_linear_projection: false,
    addition_embed_type: null,
    addition_time_embed_dim: null,
    upcast_attention: false,
    resnet_skip_time_act: false,
    resnet_out_scale_factor: 1,
    time_embedding_act_fn: null,
    timestep_post_act: null,
    time_cond_proj_dim: null,
    conv_in_kernel: 3,
    conv_out_kernel: 3,
    projection_class_embeddings_input_dim: null,
    attention_type: 'default',
    class_embeddings_concat: false,
    mid_block_only_cross_attention: null,
    cross_attention_norm: null,
    addition_embed_type_num_heads: 64,
  },
};

/** Parameters that other values than these would turn into another network. */
const FIXED: Readonly<Record<string, readonly unknown[]>> = {
  act_fn: ['silu', 'swish'],
  time_embedding_type: ['positional'],
  reverse_transformer_layers_per_block: [null],
  encoder_hid_dim: [null],
  encoder_hid_dim_type: [null],
  dual_cross_attention: [false],
  resnet_skip_time_act: [false],
  resnet_out_scale_factor: [1],
  time_embedding_act_fn: [null],
  timestep_post_act: [null],
  conv_in_kernel: [3],
  conv_out_kernel: [3],
  attention_type: ['default'],
  class_embeddings_concat: [false],
  mid_block_only_cross_attention: [null, false],
  cross_attention_norm: [null],
  num_attention_heads: [null], // diffusers refuses it too: what it calls attention_head_dim is the number of heads
};

/** One level of a diffusers UNet: what its down or up block is made of. */
type Block = { readonly attention: 'none' | 'plain' | 'cross'; readonly resampler: 'conv' | 'res' | 'type' };

/** By the name without "Down", "Up" and "sample". `type`: as downsample_type and upsample_type say. */
const BLOCKS: Readonly<Record<string, Block>> = {
  Block2D: { attention: 'none', resampler: 'conv' },
  ResnetBlock2D: { attention: 'none', resampler: 'res' },
  AttnBlock2D: { attention: 'plain', resampler: 'type' },
  CrossAttnBlock2D: { attention: 'cross', resampler: 'conv' },
};

export type FromDiffusersOptions = {
  /** For a configuration without `sample_size`. */
  readonly imageSize?: number;
};

/**
 * The configuration that a diffusers `config.json` means: UNet2DModel or UNet2DConditionModel, by its `_class_name`, or
 * by its fields where that is left out. Absent fields have diffusers' defaults.
 * @throws {ArgumentError} that names a field which diffusers does not know or whose value is not supported.
 */
export function unetConfigFromDiffusers(configJson: Json, { imageSize }: FromDiffusersOptions = {}): UNetConfig {
  const modelClass = classOf(configJson);
  const defaults = DEFAULTS[modelClass];
  for (const name of Object.keys(configJson)) {
    if (!name.startsWith('_') && !Object.hasOwn(defaults, name)) {
      throw new ArgumentError(OPERATION, 'field', `one of diffusers' ${modelClass}`, name);
    }
  }
  const json = { ...defaults, ...configJson };
  for (const [name, allowed] of Object.entries(FIXED)) {
    if (name in json && !allowed.includes(json[name])) throw unsupported(name, allowed, json[name]);
  }
  const blocks = blocksOf(json, modelClass);
  const conditional = modelClass === 'UNet2DConditionModel';
  const config = {
    imageSize: imageSizeOf(json.sample_size, imageSize),
    inChannels: json.in_channels,
    outChannels: json.out_channels,
    ...widthsOf(json, blocks.down.length),
    numResBlocks: json.layers_per_block,
    attentionResolutions: blocks.down.flatMap(({ attention }, level) => (attention === 'none' ? [] : [2 ** level])),
    ...(conditional ? transformersOf(json) : attentionOf(json)),
    ...classOfLabels(json),
    middleScale: json.mid_block_scale_factor,
    timeEmbeddingDim: json.time_embedding_dim ?? undefined,
    flipSinToCos: json.flip_sin_to_cos,
    freqShift: json.freq_shift,
    centerInput: json.center_input_sample,
    useScaleShiftNorm: scaleShiftOf(json.resnet_time_scale_shift),
    resblockUpdown: resblockUpdownOf(blocks, json),
    downsamplePadding: json.downsample_padding,
    dropout: json.dropout,
    normGroups: integer('norm_num_groups', json.norm_num_groups),
    normEps: json.norm_eps,
  };
  return withoutDefaults(config as UNetConfig);
}

function classOf(json: Json): ModelClass {
  const { _class_name: name } = json;
  if (name === undefined) {
    const types = [json.down_block_types, json.up_block_types].flat().map(String);
    const conditional = 'cross_attention_dim' in json || types.some((type) => type.startsWith('CrossAttn'));
    return conditional ? 'UNet2DConditionModel' : 'UNet2DModel';
  }
  if (name === 'UNet2DModel' || name === 'UNet2DConditionModel') return name;
  throw unsupported('_class_name', Object.keys(DEFAULTS), name);
}

function imageSizeOf(sampleSize: unknown, given: number | undefined): unknown {
  if (sampleSize === null || sampleSize === undefined) {
    if (given !== undefined) return given;
    throw new ArgumentError(OPERATION, 'sample_size', 'given, or the option imageSize', sampleSize);
  }
  if (!Array.isArray(sampleSize)) return sampleSize;
  if (sampleSize.length === 2 && sampleSize[0] === sampleSize[1]) return sampleSize[0];
  throw new ArgumentError(OPERATION, 'sample_size', 'one size, or the same twice', sampleSize);
}

function blocksOf(json: Json, modelClass: ModelClass): { down: Block[]; up: Block[] } {
  const attention = modelClass === 'UNet2DModel' ? 'plain' : 'cross';
  const read = (field: string, direction: 'Down' | 'Up'): Block[] => {
    const types = json[field];
    if (!Array.isArray(types) || types.length === 0) {
      throw new ArgumentError(OPERATION, field, 'a list of block types', types);
    }
    const known = Object.entries(BLOCKS).filter(([, block]) => ['none', attention].includes(block.attention));
    return types.map((type: unknown) => {
      // "UNetRes" began the names in diffusers' first versions
      const name = String(type).replace(/^UNetRes/, '');
      const found = known.find(([block]) => typeName(block, direction) === name);
      if (found) return found[1];
      const supported = known.map(([block]) => typeName(block, direction));
      throw unsupported(field, supported, type);
    });
  };
  const down = read('down_block_types', 'Down');
  const up = read('up_block_types', 'Up').reverse();
  if (up.length !== down.length || up.some((block, level) => block.attention !== down[level].attention)) {
    const expected = 'as many and of the same kinds as down_block_types, from the last to the first';
    throw new ArgumentError(OPERATION, 'up_block_types', expected, json.up_block_types);
  }
  return { down, up };
}

/** `CrossAttnBlock2D` and Down: `CrossAttnDownBlock2D`; but `ResnetDownsampleBlock2D`. */
function typeName(block: string, direction: 'Down' | 'Up'): string {
  const [, kind] = /^(.*)Block2D$/.exec(block) as RegExpExecArray;
  return kind === 'Resnet' ? `Resnet${direction}sampleBlock2D` : `${kind}${direction}Block2D`;
}

function widthsOf({ block_out_channels: widths }: Json, levels: number) {
  if (!Array.isArray(widths) || widths.length !== levels) {
    throw new ArgumentError(OPERATION, 'block_out_channels', `one width for each of ${levels} blocks`, widths);
  }
  for (const width of widths) integer('block_out_channels', width);
  return { modelChannels: widths[0] as number, channelMult: widths.map((width: number) => width / widths[0]) };
}

/** In UNet2DModel attention_head_dim is the width of a head; null: one head. */
function attentionOf(json: Json) {
  const { attention_head_dim: width, attn_norm_num_groups: groups, add_attention: attends } = json;
  if (json.mid_block_type !== null && json.mid_block_type !== 'UNetMidBlock2D') {
    throw unsupported('mid_block_type', ['UNetMidBlock2D', null], json.mid_block_type);
  }
  const middleBlock = json.mid_block_type === null ? 'none' : attends ? 'attention' : 'plain';
  // UNetMidBlock2D: no normalization with scale-shift unless its groups are given
  const withoutNorm = scaleShiftOf(json.resnet_time_scale_shift) ? 'none' : undefined;
  return {
    ...(width === null ? { numHeads: 1 } : { numHeadChannels: integer('attention_head_dim', width) }),
    middleBlock,
    middleAttentionGroups: middleBlock === 'attention' ? (groups ?? withoutNorm) : undefined,
  };
}

/** In UNet2DConditionModel attention_head_dim is the number of heads, a naming bug that diffusers keeps. */
function transformersOf(json: Json) {
  const { mid_block_type: middle, cross_attention_dim: dim, transformer_layers_per_block: depth } = json;
  if (middle !== null && middle !== 'UNetMidBlock2DCrossAttn') {
    throw unsupported('mid_block_type', ['UNetMidBlock2DCrossAttn', null], middle);
  }
  if (Array.isArray(dim) && dim.some((width) => width !== dim[0])) {
    throw new ArgumentError(OPERATION, 'cross_attention_dim', 'one width for all blocks', dim);
  }
  if (Array.isArray(depth) && depth.some((layers) => Array.isArray(layers))) {
    const expected = 'one number, or one for each block';
    throw new ArgumentError(OPERATION, 'transformer_layers_per_block', expected, depth);
  }
  return {
    useSpatialTransformer: true,
    numHeads: json.attention_head_dim,
    contextDim: integer('cross_attention_dim', Array.isArray(dim) ? dim[0] : dim),
    transformerDepth: depth,
    useLinearProjection: json.use_linear_projection,
    onlyCrossAttention: json.only_cross_attention,
    middleBlock: middle === null ? 'none' : 'attention',
    timeConditionDim: json.time_cond_proj_dim ?? undefined,
  };
}

function classOfLabels(json: Json) {
  const { class_embed_type: type, num_class_embeds: count, addition_embed_type: addition } = json;
  const dim = json.projection_class_embeddings_input_dim;
  if (addition !== null && addition !== undefined) {
    if (addition !== 'text_time') throw unsupported('addition_embed_type', ['text_time', null], addition);
    if (type !== null || count !== null) {
      throw new ArgumentError(OPERATION, 'addition_embed_type', 'null with a class embedding', addition);
    }
    const additionTimeDim = integer('addition_time_embed_dim', json.addition_time_embed_dim);
    const classEmbeddingDim = integer('projection_class_embeddings_input_dim', dim);
    return { classEmbedding: 'text-time', classEmbeddingDim, additionTimeDim };
  }
  if (type === null) return count === null ? {} : { numClasses: count };
  if (type === 'timestep' || type === 'identity') return { classEmbedding: type };
  if (type === 'projection' && 'projection_class_embeddings_input_dim' in json) {
    return { classEmbedding: type, classEmbeddingDim: integer('projection_class_embeddings_input_dim', dim) };
  }
  const types = 'projection_class_embeddings_input_dim' in json ? ['projection'] : [];
  throw unsupported('class_embed_type', [null, 'timestep', 'identity', ...types], type);
}

function scaleShiftOf(shift: unknown): boolean {
  if (shift === 'default' || shift === 'scale_shift') return shift === 'scale_shift';
  throw unsupported('resnet_time_scale_shift', ['default', 'scale_shift'], shift);
}

function resblockUpdownOf(blocks: { down: Block[]; up: Block[] }, json: Json): UNetConfig['resblockUpdown'] {
  const read = (direction: 'down' | 'up') => {
    const field = `${direction}sample_type`;
    const type = json[field] ?? 'conv';
    if (type !== 'conv' && type !== 'resnet') throw unsupported(field, ['conv', 'resnet'], type);
    return blocks[direction].map(({ resampler }, level) => {
      const resamples = direction === 'down' ? level < blocks.down.length - 1 : level > 0;
      return resamples && (resampler === 'res' || (resampler === 'type' && type === 'resnet'));
    });
  };
  return shortest({ down: read('down'), up: read('up') });
}

/** True or false where that says the same: the last level does not halve, the first does not double. */
function shortest(updown: { down: boolean[]; up: boolean[] }): UNetConfig['resblockUpdown'] {
  const all = [...updown.down.slice(0, -1), ...updown.up.slice(1)];
  if (!all.includes(true)) return false;
  return all.includes(false) ? updown : true;
}

function integer(field: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) > 0) return value as number;
  throw new ArgumentError(OPERATION, field, 'an integer >= 1', value);
}

function unsupported(field: string, supported: readonly unknown[], value: unknown): ArgumentError {
  return new ArgumentError(OPERATION, field, supported.map(String).join(' or '), value);
}

/**
 * The inverse of `unetConfigFromDiffusers`: what diffusers' `config.json` holds for a configuration, every field that has
 * another value than diffusers' default and the others that describe the network; `_class_name` included.
 * @throws {ArgumentError} that names a field which diffusers' model of that kind cannot express.
 */
export function unetConfigToDiffusers(config: UNetConfig): Record<string, unknown> {
  const resolved = resolveUNetConfig(config);
  if (resolved.resample !== 'conv') {
    throw new ArgumentError(INVERSE, 'resample', "'conv': diffusers has no wavelet-gated modules", resolved.resample);
  }
  const modelClass: ModelClass = resolved.useSpatialTransformer ? 'UNet2DConditionModel' : 'UNet2DModel';
  const { channelMult, modelChannels } = resolved;
  return {
    _class_name: modelClass,
    sample_size: resolved.imageSize,
    in_channels: resolved.inChannels,
    out_channels: resolved.outChannels,
    center_input_sample: resolved.centerInput,
    flip_sin_to_cos: resolved.flipSinToCos,
    freq_shift: resolved.freqShift,
    block_out_channels: channelMult.map((mult) => mult * modelChannels),
    layers_per_block: layersPerBlock(resolved, modelClass),
    mid_block_scale_factor: resolved.middleScale,
    downsample_padding: resolved.downsamplePadding,
    dropout: resolved.dropout,
    act_fn: 'silu',
    norm_num_groups: groupsOfAll(resolved),
    norm_eps: resolved.normEps,
    resnet_time_scale_shift: resolved.useScaleShiftNorm ? 'scale_shift' : 'default',
    time_embedding_type: 'positional',
    ...(resolved.timeEmbeddingDim === 4 * modelChannels ? {} : { time_embedding_dim: resolved.timeEmbeddingDim }),
    ...labelsToDiffusers(resolved, modelClass),
    ...(modelClass === 'UNet2DModel' ? plainToDiffusers(resolved) : conditionalToDiffusers(resolved)),
  };
}

function layersPerBlock({ numResBlocks }: ResolvedUNetConfig, modelClass: ModelClass): unknown {
  if (typeof numResBlocks !== 'object' || modelClass === 'UNet2DConditionModel') return numResBlocks;
  if (numResBlocks.every((blocks) => blocks === numResBlocks[0])) return numResBlocks[0];
  throw new ArgumentError(INVERSE, 'numResBlocks', 'the same for all levels of a UNet2DModel', numResBlocks);
}

function groupsOfAll(config: ResolvedUNetConfig): number {
  const { inputBlocks, middleBlock, outputBlocks, outGroups } = planUNet(config);
  const layers = [...inputBlocks, middleBlock, ...outputBlocks].flatMap((block) => block.layers);
  const groups = layers.flatMap((layer) => (layer.kind === 'res' ? [layer.inGroups, layer.outGroups] : []));
  if (groups.every((count) => count === outGroups)) return outGroups;
  throw new ArgumentError(INVERSE, 'normGroups', 'the same for all widths', [...new Set([...groups, outGroups])]);
}

function labelsToDiffusers(config: ResolvedUNetConfig, modelClass: ModelClass): Json {
  const { classEmbedding, numClasses, classEmbeddingDim, additionTimeDim } = config;
  if (classEmbedding === 'none') return {};
  if (classEmbedding === 'index') return { num_class_embeds: numClasses };
  if (classEmbedding === 'timestep' || classEmbedding === 'identity') return { class_embed_type: classEmbedding };
  if (modelClass === 'UNet2DModel') {
    const expected = "'none', 'index', 'timestep' or 'identity' in a UNet2DModel";
    throw new ArgumentError(INVERSE, 'classEmbedding', expected, classEmbedding);
  }
  const dim = { projection_class_embeddings_input_dim: classEmbeddingDim };
  if (classEmbedding === 'projection') return { class_embed_type: 'projection', ...dim };
  return { addition_embed_type: 'text_time', addition_time_embed_dim: additionTimeDim, ...dim };
}

function plainToDiffusers(config: ResolvedUNetConfig): Json {
  const { middleBlock, middleAttentionGroups, useScaleShiftNorm, timeConditionDim } = config;
  if (timeConditionDim !== undefined) {
    throw new ArgumentError(INVERSE, 'timeConditionDim', 'left out in a UNet2DModel', timeConditionDim);
  }
  const { down, up, ...types } = plainBlocks(config);
  // with scale-shift diffusers leaves the normalization out unless its groups are given
  const groups = middleAttentionGroups ?? (useScaleShiftNorm ? groupsOfAll(config) : null);
  const isDefault = groups === 'none' && useScaleShiftNorm;
  if (groups === 'none' && !useScaleShiftNorm) {
    const expected = "a number, or 'none' with useScaleShiftNorm";
    throw new ArgumentError(INVERSE, 'middleAttentionGroups', expected, middleAttentionGroups);
  }
  return {
    down_block_types: down,
    up_block_types: up,
    ...types,
    mid_block_type: middleBlock === 'none' ? null : 'UNetMidBlock2D',
    add_attention: middleBlock !== 'plain',
    attention_head_dim: headWidthOf(config),
    attn_norm_num_groups: middleBlock !== 'attention' || isDefault ? null : groups,
  };
}

/** One width of heads for all that attends; null where every attention has one head as wide as its channels. */
function headWidthOf(config: ResolvedUNetConfig): number | null {
  const { inputBlocks, middleBlock, outputBlocks } = planUNet(config);
  const layers = [...inputBlocks, middleBlock, ...outputBlocks].flatMap((block) => block.layers);
  const attentions = layers.flatMap((layer) => (layer.kind === 'attention' ? [layer] : []));
  if (attentions.every(({ heads }) => heads === 1) && config.numHeadChannels === undefined) return null;
  const widths = [...new Set(attentions.map(({ channels, heads }) => channels / heads))];
  if (widths.length <= 1) return widths[0] ?? config.numHeadChannels ?? null;
  const expected = 'such that all heads are of one width, as in a UNet2DModel';
  throw new ArgumentError(INVERSE, 'numHeads', expected, config.numHeads);
}

function plainBlocks(config: ResolvedUNetConfig) {
  const { channelMult, attentionResolutions, resblockUpdown } = config;
  const levels = channelMult.map((_, level) => level);
  const attends = (level: number) => attentionResolutions.includes(2 ** level);
  const inBlock = (direction: 'down' | 'up', level: number) =>
    typeof resblockUpdown === 'boolean' ? resblockUpdown : resblockUpdown[direction][level];
  const typesOf = (direction: 'down' | 'up') => {
    const resamples = (level: number) => (direction === 'down' ? level < levels.length - 1 : level > 0);
    const withAttention = levels.filter((level) => attends(level) && resamples(level));
    const isResnet = withAttention.map((level) => inBlock(direction, level));
    if (new Set(isResnet).size > 1) {
      throw new ArgumentError(INVERSE, 'resblockUpdown', 'the same for all levels with attention', resblockUpdown);
    }
    const name = direction === 'down' ? 'Down' : 'Up';
    const types = levels.map((level) => {
      if (attends(level)) return typeName('AttnBlock2D', name);
      return typeName(resamples(level) && inBlock(direction, level) ? 'ResnetBlock2D' : 'Block2D', name);
    });
    return { types, kind: isResnet[0] ? 'resnet' : 'conv' };
  };
  const [down, up] = [typesOf('down'), typesOf('up')];
  return { down: down.types, up: up.types.reverse(), downsample_type: down.kind, upsample_type: up.kind };
}

function conditionalToDiffusers(config: ResolvedUNetConfig): Json {
  const { channelMult, middleBlock, attentionResolutions, numHeads, numHeadChannels, modelChannels } = config;
  if (middleBlock === 'plain') {
    throw new ArgumentError(INVERSE, 'middleBlock', "'attention' or 'none' in a UNet2DConditionModel", middleBlock);
  }
  const { downsample_type: downType, upsample_type: upType, down, up } = plainBlocks(config);
  if (downType !== 'conv' || upType !== 'conv') {
    const expected = 'false for levels with attention of a UNet2DConditionModel';
    throw new ArgumentError(INVERSE, 'resblockUpdown', expected, config.resblockUpdown);
  }
  const crossed = (types: string[]) => types.map((type) => type.replace(/^Attn/, 'CrossAttn'));
  const attends = (level: number) =>
    attentionResolutions.includes(2 ** level) || (middleBlock === 'attention' && level === channelMult.length - 1);
  const heads =
    numHeadChannels === undefined
      ? (numHeads ?? 1)
      : channelMult.map((mult, level) => (attends(level) ? (mult * modelChannels) / numHeadChannels : 1));
  return {
    down_block_types: crossed(down),
    up_block_types: crossed(up),
    mid_block_type: middleBlock === 'none' ? null : 'UNetMidBlock2DCrossAttn',
    attention_head_dim: heads, // the number of heads: see transformersOf
    cross_attention_dim: config.contextDim,
    transformer_layers_per_block: config.transformerDepth,
    use_linear_projection: config.useLinearProjection,
    only_cross_attention: config.onlyCrossAttention,
    ...(config.timeConditionDim === undefined ? {} : { time_cond_proj_dim: config.timeConditionDim }),
  };
}
