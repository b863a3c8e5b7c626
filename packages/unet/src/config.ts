import { ArgumentError, checkInteger } from '@sd/core';
import type { WaveletName } from '@sd/wavelet';

/** The wavelet-gated resamplers of every place where LDM has a down- or upsampling. Yang et al. 2023, wavelet gating. */
export type WaveletConfig = {
  /** What follows the gates: a 1x1 convolution of the four bands, or the published formula's sum. Default 'conv'. */
  readonly fuse?: 'conv' | 'sum';
  /** One gate per band and channel, or one per band. Default 'channel'. */
  readonly gate?: 'channel' | 'band';
  /** Hidden width of the gates' two-layer network; 'half' is half of each module's channels. Default 4. */
  readonly gateHidden?: number | 'half';
  /** Any discrete wavelet of PyWavelets, by its name; it has no influence on the parameters. Default 'haar'. */
  readonly wavelet?: WaveletName;
};

/** Where residual blocks, not bare layers, change the size, by level: LDM has them everywhere or nowhere. */
export type ResblockUpdown = { readonly down: readonly boolean[]; readonly up: readonly boolean[] };

/**
 * A UNet as data: the fields of LDM's yaml (`openaimodel.UNetModel`) in camelCase, those of diffusers' UNet2DModel and
 * UNet2DConditionModel where the families differ, and the slim and wavelet-gated extensions. Survives JSON. A list "by
 * level" has one element for each of `channelMult`.
 */
export type UNetConfig = {
  /** Height and width of the training images or latents: what counts and feature sizes assume. Any size can be run. */
  readonly imageSize: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Width of level 0. */
  readonly modelChannels: number;
  /** Width of each level as a multiple of `modelChannels`, an integer width; between two levels the size halves. */
  readonly channelMult: readonly number[];
  /** Residual blocks of each level; the decoder has one more. Or by level. */
  readonly numResBlocks: number | readonly number[];
  /** *Downsample factors* (1, 2, 4, ...) of the levels with attention, not sizes in pixels. */
  readonly attentionResolutions: readonly number[];
  /** Heads of every attention, or by level. Either this or `numHeadChannels` is needed where anything attends. */
  readonly numHeads?: number | readonly number[];
  /** Width of a head; wins over `numHeads`, as in LDM. */
  readonly numHeadChannels?: number;
  /** Transformer blocks with cross-attention to a context in place of plain attention. Default false. */
  readonly useSpatialTransformer?: boolean;
  /** Transformer blocks in each SpatialTransformer, or by level; the middle block has the last level's. Default 1. */
  readonly transformerDepth?: number | readonly number[];
  /** Width of the context's tokens; needed with, and only with, `useSpatialTransformer`. */
  readonly contextDim?: number;
  /** Context tokens that MAC counts assume: 1 for a class, 77 for text. Nothing else depends on it. Default 77. */
  readonly contextLength?: number;
  /** Linear layers, `[C, C]` in the state dict, around the transformer blocks instead of 1x1 convolutions. Default false. */
  readonly useLinearProjection?: boolean;
  /** The transformers' self-attention attends to the context, too; or by level. Never in the middle block. Default false. */
  readonly onlyCrossAttention?: boolean | readonly boolean[];
  /** What is between encoder and decoder: residual, attention, residual; the two residual blocks; nothing. Default 'attention'. */
  readonly middleBlock?: 'attention' | 'plain' | 'none';
  /** Groups of the normalization of the middle block's plain attention, if others; 'none' for no normalization. */
  readonly middleAttentionGroups?: number | 'none';
  /** The sums in the middle block's residual blocks and plain attention are divided by it. Default 1. */
  readonly middleScale?: number;
  /**
   * What is added to the time embedding: 'index', a learnt row for each of `numClasses` labels; 'timestep', a label
   * embedded as timesteps are; 'projection', two linear layers on a vector `classEmbeddingDim` wide; 'text-time', the same
   * on a text embedding and sinusoidal embeddings, `additionTimeDim` wide, of sizes and crops (SDXL); 'identity', a vector
   * as wide as the embedding. Default 'index' with, 'none' without `numClasses`.
   */
  readonly classEmbedding?: 'none' | 'index' | 'timestep' | 'projection' | 'text-time' | 'identity';
  /** Number of labels of a class-conditional model (`label_emb`). */
  readonly numClasses?: number;
  /** With 'projection' and 'text-time'. */
  readonly classEmbeddingDim?: number;
  /** With 'text-time'. */
  readonly additionTimeDim?: number;
  /** Width of a second condition that is projected and added to the sinusoidal embedding (a guidance scale's, in LCM). */
  readonly timeConditionDim?: number;
  /** Width of the time embedding. Default 4 `modelChannels`. */
  readonly timeEmbeddingDim?: number;
  /** Cosines first in the sinusoidal embedding. Default true. */
  readonly flipSinToCos?: boolean;
  /** Subtracted from the number of frequencies in their exponent; 1 in Ho et al. 2020. Default 0. */
  readonly freqShift?: number;
  /** The input is in [0, 1] and is mapped to [-1, 1]. Default false. */
  readonly centerInput?: boolean;
  /** The embedding scales and shifts the second normalization instead of being added before it. Default false. */
  readonly useScaleShiftNorm?: boolean;
  /** Residual blocks, not bare layers, change the size. Default false. */
  readonly resblockUpdown?: boolean | ResblockUpdown;
  /** Padding of the strided convolutions: 1 on all sides, or 0: 1 at the bottom and the right. Default 1. */
  readonly downsamplePadding?: 0 | 1;
  /** Probability, applied only where `forward` gets a `dropoutKey`. Default 0. */
  readonly dropout?: number;
  /**
   * LDM's rule for the width of a head. Both rules agree where heads divide the channels, which is required here: kept
   * so that a configuration survives the round trip. Default true.
   */
  readonly legacy?: boolean;
  /** Groups of every GroupNorm. LDM's 32 in all presets; otherwise `defaultNormGroups` of each width. */
  readonly normGroups?: number;
  /** Epsilon of every GroupNorm but the transformers', which have 1e-6. Default 1e-5. */
  readonly normEps?: number;
  /** LDM's convolutions (average pooling and nearest upsampling inside residual blocks), or WGDown and WGUp. Default 'conv'. */
  readonly resample?: 'conv' | 'wavelet';
  /** Only with `resample: 'wavelet'`. */
  readonly wavelet?: WaveletConfig;
};

const OPTIONAL_INTEGERS = [
  'numHeadChannels',
  'contextDim',
  'numClasses',
  'normGroups',
  'classEmbeddingDim',
  'additionTimeDim',
  'timeConditionDim',
] as const;

type WithoutDefault = 'numHeads' | 'middleAttentionGroups' | (typeof OPTIONAL_INTEGERS)[number];

/** A checked configuration with its defaults filled in. */
export type ResolvedUNetConfig = Required<Omit<UNetConfig, WithoutDefault | 'wavelet'>> &
  Pick<UNetConfig, WithoutDefault> & { readonly wavelet: Required<WaveletConfig> };

// Complete, or the types do not fit.
const FIELDS: Record<keyof UNetConfig, true> = {
  imageSize: true,
  inChannels: true,
  outChannels: true,
  modelChannels: true,
  channelMult: true,
  numResBlocks: true,
  attentionResolutions: true,
  numHeads: true,
  numHeadChannels: true,
  useSpatialTransformer: true,
  transformerDepth: true,
  contextDim: true,
  contextLength: true,
  useLinearProjection: true,
  onlyCrossAttention: true,
  middleBlock: true,
  middleAttentionGroups: true,
  middleScale: true,
  classEmbedding: true,
  numClasses: true,
  classEmbeddingDim: true,
  additionTimeDim: true,
  timeConditionDim: true,
  timeEmbeddingDim: true,
  flipSinToCos: true,
  freqShift: true,
  centerInput: true,
  useScaleShiftNorm: true,
  resblockUpdown: true,
  downsamplePadding: true,
  dropout: true,
  legacy: true,
  normGroups: true,
  normEps: true,
  resample: true,
  wavelet: true,
};

/** The names of a configuration's fields. */
export const UNET_CONFIG_FIELDS = Object.keys(FIELDS) as readonly (keyof UNetConfig)[];

const OPERATION = 'UNetConfig';

const DEFAULT_WAVELET: Required<WaveletConfig> = { fuse: 'conv', gate: 'channel', gateHidden: 4, wavelet: 'haar' };

const DEFAULTS = {
  useSpatialTransformer: false,
  transformerDepth: 1,
  contextLength: 77,
  useLinearProjection: false,
  onlyCrossAttention: false,
  middleBlock: 'attention',
  middleScale: 1,
  flipSinToCos: true,
  freqShift: 0,
  centerInput: false,
  useScaleShiftNorm: false,
  resblockUpdown: false,
  downsamplePadding: 1,
  dropout: 0,
  legacy: true,
  normEps: 1e-5,
  resample: 'conv',
} as const satisfies Partial<UNetConfig>;

/**
 * Fills in the defaults and checks every field, also of objects that come from JSON.
 * @throws {ArgumentError} that names the field.
 */
export function resolveUNetConfig(config: UNetConfig): ResolvedUNetConfig {
  checkFields(OPERATION, config, new Set(UNET_CONFIG_FIELDS));
  checkFields(`${OPERATION}.wavelet`, config.wavelet ?? {}, new Set(Object.keys(DEFAULT_WAVELET)));
  const resolved: ResolvedUNetConfig = {
    ...DEFAULTS,
    classEmbedding: config.numClasses === undefined ? 'none' : 'index',
    timeEmbeddingDim: 4 * config.modelChannels,
    ...withoutUndefined(config),
    wavelet: { ...DEFAULT_WAVELET, ...withoutUndefined(config.wavelet ?? {}) },
  };
  checkNumbers(resolved);
  checkByLevel(resolved);
  checkChoices(resolved);
  checkLevels(resolved);
  checkConditioning(resolved);
  checkClassEmbedding(resolved);
  return resolved;
}

/** The shortest configuration of the same meaning: without the fields that have their defaults. */
export function withoutDefaults(config: UNetConfig): UNetConfig {
  const { classEmbedding, timeEmbeddingDim, wavelet, resample } = resolveUNetConfig(config);
  const implied: Partial<UNetConfig> = {
    ...DEFAULTS,
    timeEmbeddingDim: 4 * config.modelChannels,
    ...(classEmbedding === 'none' || classEmbedding === 'index' ? { classEmbedding } : {}),
    ...(resample === 'conv' ? { wavelet } : {}),
  };
  const resolved = { ...config, classEmbedding, timeEmbeddingDim };
  const same = (field: keyof UNetConfig) =>
    field in implied && JSON.stringify(resolved[field]) === JSON.stringify(implied[field]);
  return Object.fromEntries(
    Object.entries(withoutUndefined(config)).filter(([field]) => !same(field as keyof UNetConfig)),
  ) as UNetConfig;
}

/** The value of a field that is one for all levels or has one for each. */
export function atLevel<T extends number | boolean>(value: T | readonly T[], level: number): T {
  return typeof value === 'object' ? value[level] : value;
}

function checkFields(operation: string, config: object, fields: ReadonlySet<string>): void {
  for (const name of Object.keys(config)) {
    if (!fields.has(name)) throw new ArgumentError(operation, 'field', `one of ${[...fields].join(', ')}`, name);
  }
}

function withoutUndefined<T extends object>(config: T): T {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) as T;
}

function checkNumbers(config: ResolvedUNetConfig): void {
  checkInteger(OPERATION, 'modelChannels', config.modelChannels, 2); // the time embedding has a cosine and a sine
  for (const field of ['imageSize', 'inChannels', 'outChannels', 'contextLength', 'timeEmbeddingDim'] as const) {
    checkInteger(OPERATION, field, config[field]);
  }
  for (const field of OPTIONAL_INTEGERS) {
    const value = config[field];
    if (value !== undefined) checkInteger(OPERATION, field, value);
  }
  for (const field of ['channelMult', 'attentionResolutions'] as const) {
    if (!Array.isArray(config[field])) throw new ArgumentError(OPERATION, field, 'a list of integers', config[field]);
  }
  for (const factor of config.attentionResolutions) checkInteger(OPERATION, 'attentionResolutions', factor);
  for (const mult of config.channelMult) {
    const width = mult * config.modelChannels;
    if (Number.isInteger(width) && width > 0) continue;
    const expected = `multiples of ${config.modelChannels} modelChannels that are integers >= 1`;
    throw new ArgumentError(OPERATION, 'channelMult', expected, config.channelMult);
  }
  if (config.channelMult.length === 0) {
    throw new ArgumentError(OPERATION, 'channelMult', 'a list of at least one level', config.channelMult);
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    throw new ArgumentError(OPERATION, 'dropout', 'a probability in [0, 1)', config.dropout);
  }
  for (const field of ['normEps', 'middleScale'] as const) {
    if (!(config[field] > 0 && Number.isFinite(config[field]))) {
      throw new ArgumentError(OPERATION, field, 'a positive number', config[field]);
    }
  }
  // the exponent -i / (half - shift) needs more frequencies than are taken away
  const { freqShift, modelChannels } = config;
  const half = Math.floor(modelChannels / 2);
  if (!(freqShift >= 0 && freqShift < half)) {
    throw new ArgumentError(
      OPERATION,
      'freqShift',
      `a number in [0, ${half}) for ${modelChannels} channels`,
      freqShift,
    );
  }
  if (config.middleAttentionGroups !== undefined && config.middleAttentionGroups !== 'none') {
    checkInteger(OPERATION, 'middleAttentionGroups', config.middleAttentionGroups);
  }
  const { gateHidden } = config.wavelet;
  if (gateHidden !== 'half') checkInteger(`${OPERATION}.wavelet`, 'gateHidden', gateHidden);
}

function checkByLevel(config: ResolvedUNetConfig): void {
  for (const field of ['numResBlocks', 'numHeads', 'transformerDepth'] as const) {
    const value = config[field];
    if (value === undefined) continue;
    for (const element of listByLevel(config, field, value)) checkInteger(OPERATION, field, element as number);
  }
  const { onlyCrossAttention, resblockUpdown } = config;
  const flags: [string, unknown][] = [['onlyCrossAttention', onlyCrossAttention]];
  if (typeof resblockUpdown === 'object' && resblockUpdown !== null) {
    checkFields(`${OPERATION}.resblockUpdown`, resblockUpdown, new Set(['down', 'up']));
    for (const direction of ['down', 'up'] as const) {
      const field = `resblockUpdown.${direction}`;
      const list = resblockUpdown[direction];
      if (!Array.isArray(list)) throw new ArgumentError(OPERATION, field, 'a list by level', list);
      flags.push([field, list]);
    }
  } else {
    flags.push(['resblockUpdown', resblockUpdown]);
  }
  for (const [field, value] of flags) {
    for (const element of listByLevel(config, field, value)) {
      if (typeof element !== 'boolean') throw new ArgumentError(OPERATION, field, 'true or false', element);
    }
  }
}

function listByLevel({ channelMult }: ResolvedUNetConfig, field: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) return [value];
  if (value.length === channelMult.length) return value;
  throw new ArgumentError(OPERATION, field, `one value, or one for each of ${channelMult.length} levels`, value);
}

function checkChoices(config: ResolvedUNetConfig): void {
  const { resample, wavelet } = config;
  const flags = [
    'useSpatialTransformer',
    'useLinearProjection',
    'useScaleShiftNorm',
    'flipSinToCos',
    'centerInput',
    'legacy',
  ] as const;
  for (const field of flags) {
    if (typeof config[field] !== 'boolean') throw new ArgumentError(OPERATION, field, 'true or false', config[field]);
  }
  checkChoice(OPERATION, 'resample', resample, ['conv', 'wavelet']);
  checkChoice(OPERATION, 'middleBlock', config.middleBlock, ['attention', 'plain', 'none']);
  checkChoice(OPERATION, 'downsamplePadding', config.downsamplePadding, [0, 1]);
  checkChoice(`${OPERATION}.wavelet`, 'fuse', wavelet.fuse, ['conv', 'sum']);
  checkChoice(`${OPERATION}.wavelet`, 'gate', wavelet.gate, ['channel', 'band']);
  // the defaults are let through: a resolved configuration is a configuration
  const fields = ['fuse', 'gate', 'gateHidden', 'wavelet'] as const;
  const changed = fields.some((field) => wavelet[field] !== DEFAULT_WAVELET[field]);
  if (changed && resample !== 'wavelet') {
    throw new ArgumentError(OPERATION, 'wavelet', "left out unless resample is 'wavelet'", wavelet);
  }
}

function checkChoice<T extends string | number>(
  operation: string,
  field: string,
  value: T,
  choices: readonly T[],
): void {
  if (choices.includes(value)) return;
  const expected = choices.map((choice) => (typeof choice === 'string' ? `'${choice}'` : choice)).join(' or ');
  throw new ArgumentError(operation, field, expected, value);
}

function checkLevels({ imageSize, channelMult, attentionResolutions }: ResolvedUNetConfig): void {
  const factors = channelMult.map((_, level) => 2 ** level);
  const deepest = factors[factors.length - 1];
  if (imageSize % deepest !== 0) {
    const expected = `a multiple of ${deepest}, for ${channelMult.length} levels`;
    throw new ArgumentError(OPERATION, 'imageSize', expected, imageSize);
  }
  for (const factor of attentionResolutions) {
    if (!factors.includes(factor)) {
      const expected = `downsample factors (not sizes), of ${factors.join(', ')} for ${channelMult.length} levels`;
      throw new ArgumentError(OPERATION, 'attentionResolutions', expected, attentionResolutions);
    }
  }
}

function checkConditioning({ useSpatialTransformer, contextDim }: ResolvedUNetConfig): void {
  if (useSpatialTransformer && contextDim === undefined) {
    throw new ArgumentError(OPERATION, 'contextDim', 'given with useSpatialTransformer', contextDim);
  }
  if (!useSpatialTransformer && contextDim !== undefined) {
    throw new ArgumentError(OPERATION, 'contextDim', 'left out without useSpatialTransformer', contextDim);
  }
}

/** Which of its fields each kind of class embedding has. */
const CLASS_FIELDS = {
  none: [],
  index: ['numClasses'],
  timestep: [],
  projection: ['classEmbeddingDim'],
  'text-time': ['classEmbeddingDim', 'additionTimeDim'],
  identity: [],
} as const satisfies Record<NonNullable<UNetConfig['classEmbedding']>, readonly (keyof UNetConfig)[]>;

function checkClassEmbedding(config: ResolvedUNetConfig): void {
  const { classEmbedding } = config;
  checkChoice(OPERATION, 'classEmbedding', classEmbedding, Object.keys(CLASS_FIELDS) as (typeof classEmbedding)[]);
  const wanted: readonly string[] = CLASS_FIELDS[classEmbedding];
  for (const field of ['numClasses', 'classEmbeddingDim', 'additionTimeDim'] as const) {
    if (wanted.includes(field) === (config[field] !== undefined)) continue;
    const expected = wanted.includes(field) ? 'given' : 'left out';
    throw new ArgumentError(OPERATION, field, `${expected} with classEmbedding '${classEmbedding}'`, config[field]);
  }
}
