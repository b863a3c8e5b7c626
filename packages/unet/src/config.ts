import { ArgumentError, checkInteger } from '@sd/core';

/** The wavelet-gated resamplers of every place where LDM has a down- or upsampling. Yang et al. 2023, wavelet gating. */
export type WaveletConfig = {
  /** What follows the gates: a 1x1 convolution of the four bands, or the published formula's sum. Default 'conv'. */
  readonly fuse?: 'conv' | 'sum';
  /** One gate per band and channel, or one per band. Default 'channel'. */
  readonly gate?: 'channel' | 'band';
  /** Hidden width of the gates' two-layer network; 'half' is half of each module's channels. Default 4. */
  readonly gateHidden?: number | 'half';
};

/**
 * An LDM UNet as data: the fields of LDM's yaml (`openaimodel.UNetModel`) in camelCase, and the slim and wavelet-gated
 * extensions. Survives JSON.
 */
export type UNetConfig = {
  /** Height and width of the training images or latents: what counts and feature sizes assume. Any size can be run. */
  readonly imageSize: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Width of level 0. */
  readonly modelChannels: number;
  /** Width of each level as a multiple of `modelChannels`; between two levels the size halves. */
  readonly channelMult: readonly number[];
  /** Residual blocks of each level; the decoder has one more. */
  readonly numResBlocks: number;
  /** *Downsample factors* (1, 2, 4, ...) of the levels with attention, not sizes in pixels. */
  readonly attentionResolutions: readonly number[];
  /** Heads of every attention. Either this or `numHeadChannels` is needed: the middle block always attends. */
  readonly numHeads?: number;
  /** Width of a head; wins over `numHeads`, as in LDM. */
  readonly numHeadChannels?: number;
  /** Transformer blocks with cross-attention to a context in place of plain attention. Default false. */
  readonly useSpatialTransformer?: boolean;
  /** Transformer blocks in each SpatialTransformer. Default 1. */
  readonly transformerDepth?: number;
  /** Width of the context's tokens; needed with, and only with, `useSpatialTransformer`. */
  readonly contextDim?: number;
  /** Context tokens that MAC counts assume: 1 for a class, 77 for text. Nothing else depends on it. Default 77. */
  readonly contextLength?: number;
  /** Number of labels of a class-conditional model (`label_emb`). */
  readonly numClasses?: number;
  /** The embedding scales and shifts the second normalization instead of being added before it. Default false. */
  readonly useScaleShiftNorm?: boolean;
  /** Residual blocks, not bare layers, change the size. Default false. */
  readonly resblockUpdown?: boolean;
  /** Probability, applied only where `forward` gets a `dropoutKey`. Default 0. */
  readonly dropout?: number;
  /**
   * LDM's rule for the width of a head. Both rules agree where heads divide the channels, which is required here: kept
   * so that a configuration survives the round trip. Default true.
   */
  readonly legacy?: boolean;
  /** Groups of every GroupNorm. LDM's 32 in all presets; otherwise `defaultNormGroups` of each width. */
  readonly normGroups?: number;
  /** LDM's convolutions (average pooling and nearest upsampling inside residual blocks), or WGDown and WGUp. Default 'conv'. */
  readonly resample?: 'conv' | 'wavelet';
  /** Only with `resample: 'wavelet'`. */
  readonly wavelet?: WaveletConfig;
};

type WithoutDefault = 'numHeads' | 'numHeadChannels' | 'contextDim' | 'numClasses' | 'normGroups';

/** A checked configuration with its defaults filled in. */
export type ResolvedUNetConfig = Required<Omit<UNetConfig, WithoutDefault | 'wavelet'>> &
  Pick<UNetConfig, WithoutDefault> & { readonly wavelet: Required<WaveletConfig> };

const FIELDS: ReadonlySet<string> = new Set<keyof UNetConfig>([
  'imageSize',
  'inChannels',
  'outChannels',
  'modelChannels',
  'channelMult',
  'numResBlocks',
  'attentionResolutions',
  'numHeads',
  'numHeadChannels',
  'useSpatialTransformer',
  'transformerDepth',
  'contextDim',
  'contextLength',
  'numClasses',
  'useScaleShiftNorm',
  'resblockUpdown',
  'dropout',
  'legacy',
  'normGroups',
  'resample',
  'wavelet',
]);

const OPERATION = 'UNetConfig';

const DEFAULT_WAVELET: Required<WaveletConfig> = { fuse: 'conv', gate: 'channel', gateHidden: 4 };

/**
 * Fills in the defaults and checks every field, also of objects that come from JSON.
 * @throws {ArgumentError} that names the field.
 */
export function resolveUNetConfig(config: UNetConfig): ResolvedUNetConfig {
  checkFields(OPERATION, config, FIELDS);
  checkFields(`${OPERATION}.wavelet`, config.wavelet ?? {}, new Set(['fuse', 'gate', 'gateHidden']));
  const resolved: ResolvedUNetConfig = {
    useSpatialTransformer: false,
    transformerDepth: 1,
    contextLength: 77,
    useScaleShiftNorm: false,
    resblockUpdown: false,
    dropout: 0,
    legacy: true,
    resample: 'conv',
    ...withoutUndefined(config),
    wavelet: { ...DEFAULT_WAVELET, ...withoutUndefined(config.wavelet ?? {}) },
  };
  checkNumbers(resolved);
  checkChoices(resolved);
  checkLevels(resolved);
  checkConditioning(resolved);
  return resolved;
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
  const required = ['imageSize', 'inChannels', 'outChannels', 'numResBlocks'] as const;
  const optional = ['numHeads', 'numHeadChannels', 'contextDim', 'numClasses', 'normGroups'] as const;
  for (const field of [...required, 'transformerDepth', 'contextLength'] as const) {
    checkInteger(OPERATION, field, config[field]);
  }
  checkInteger(OPERATION, 'modelChannels', config.modelChannels, 2); // the time embedding has a cosine and a sine
  for (const field of optional) {
    const value = config[field];
    if (value !== undefined) checkInteger(OPERATION, field, value);
  }
  for (const field of ['channelMult', 'attentionResolutions'] as const) {
    if (!Array.isArray(config[field])) throw new ArgumentError(OPERATION, field, 'a list of integers', config[field]);
    for (const value of config[field]) checkInteger(OPERATION, field, value);
  }
  if (config.channelMult.length === 0) {
    throw new ArgumentError(OPERATION, 'channelMult', 'a list of at least one level', config.channelMult);
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    throw new ArgumentError(OPERATION, 'dropout', 'a probability in [0, 1)', config.dropout);
  }
  const { gateHidden } = config.wavelet;
  if (gateHidden !== 'half') checkInteger(`${OPERATION}.wavelet`, 'gateHidden', gateHidden);
}

function checkChoices(config: ResolvedUNetConfig): void {
  const { resample, wavelet } = config;
  for (const field of ['useSpatialTransformer', 'useScaleShiftNorm', 'resblockUpdown', 'legacy'] as const) {
    if (typeof config[field] !== 'boolean') throw new ArgumentError(OPERATION, field, 'true or false', config[field]);
  }
  checkChoice(OPERATION, 'resample', resample, ['conv', 'wavelet']);
  checkChoice(`${OPERATION}.wavelet`, 'fuse', wavelet.fuse, ['conv', 'sum']);
  checkChoice(`${OPERATION}.wavelet`, 'gate', wavelet.gate, ['channel', 'band']);
  // the defaults are let through: a resolved configuration is a configuration
  const changed = (['fuse', 'gate', 'gateHidden'] as const).some((field) => wavelet[field] !== DEFAULT_WAVELET[field]);
  if (changed && resample !== 'wavelet') {
    throw new ArgumentError(OPERATION, 'wavelet', "left out unless resample is 'wavelet'", wavelet);
  }
}

function checkChoice(operation: string, field: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) {
    throw new ArgumentError(operation, field, choices.map((choice) => `'${choice}'`).join(' or '), value);
  }
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
