import { ArgumentError } from '@sd/core';
import { checkAutoencoderConfig } from './check-config';
import { type AutoencoderConfig, downsampleFactor } from './config';
import { type Autoencoder, createAutoencoder } from './create-autoencoder';
import { AutoencoderTiny } from './tiny/autoencoder-tiny';
import { type AutoencoderTinyConfig, checkAutoencoderTinyConfig } from './tiny/config';

/** The `config.json` beside a file of diffusers' AutoencoderKL, VQModel or AutoencoderTiny, `_class_name` included. */
export type DiffusersAutoencoderConfig = { readonly [name: string]: unknown };

const CLASSES = ['AutoencoderKL', 'VQModel', 'AutoencoderTiny'] as const;

const DOWN = { plain: 'DownEncoderBlock2D', attention: 'AttnDownEncoderBlock2D' } as const;
const UP = { plain: 'UpDecoderBlock2D', attention: 'AttnUpDecoderBlock2D' } as const;

/** Of no effect on the network: may be there, is not read. */
const UNREAD = ['_class_name', '_diffusers_version', '_name_or_path', 'force_upcast', 'block_out_channels'];

/** Settings that exist with one value only here. */
const FIXED: Readonly<Record<string, unknown>> = {
  act_fn: 'silu',
  norm_type: 'group',
  lookup_from_codebook: false,
  latents_mean: null,
  latents_std: null,
};
const FIXED_TINY: Readonly<Record<string, unknown>> = {
  act_fn: 'relu',
  upsample_fn: 'nearest',
  upsampling_scaling_factor: 2,
  scaling_factor: 1,
  shift_factor: 0,
};

/**
 * The configuration that a `config.json` of diffusers describes, its defaults filled in.
 * @throws {ArgumentError} on an unknown or unsupported setting, or on a value that does not fit.
 */
export function autoencoderConfigFromDiffusers(
  json: DiffusersAutoencoderConfig,
): AutoencoderConfig | AutoencoderTinyConfig {
  const op = 'autoencoderConfigFromDiffusers';
  if (json === null || typeof json !== 'object') throw new ArgumentError(op, 'config', 'an object', json);
  const name = CLASSES.find((known) => known === json._class_name);
  if (!name) throw new ArgumentError(op, '_class_name', `one of ${CLASSES.join(', ')}`, json._class_name);
  const read = new Settings(op, json);
  const config = name === 'AutoencoderTiny' ? tiny(read) : ldm(read, name);
  read.checkRest(name === 'AutoencoderTiny' ? FIXED_TINY : FIXED);
  if (config.kind === 'tiny') checkAutoencoderTinyConfig(config);
  else checkAutoencoderConfig(config);
  return config;
}

/** The model of `autoencoderConfigFromDiffusers`. Takes no memory yet. @throws {ArgumentError} */
export function autoencoderFromDiffusers(json: DiffusersAutoencoderConfig): Autoencoder | AutoencoderTiny {
  const config = autoencoderConfigFromDiffusers(json);
  return config.kind === 'tiny' ? new AutoencoderTiny(config) : createAutoencoder(config);
}

function ldm(read: Settings, name: 'AutoencoderKL' | 'VQModel'): AutoencoderConfig {
  const { op } = read;
  const channels = read.integers('block_out_channels', [64]);
  const ch = channels[0];
  const chMult = channels.map((count) => count / ch);
  if (chMult.some((multiplier) => !Number.isInteger(multiplier))) {
    throw new ArgumentError(op, 'block_out_channels', 'multiples of the first', channels);
  }
  const levels = chMult.length;
  const attention = attentionLevels(read, levels);
  const latentChannels = read.get('latent_channels', name === 'VQModel' ? 3 : 4) as number;
  const embedDim = (name === 'VQModel' && (read.get('vq_embed_dim', null) as number | null)) || latentChannels;
  const sampleSize = read.get('sample_size', 32) as number | readonly number[];
  const size = typeof sampleSize === 'number' ? sampleSize : sampleSize[0];
  const factor = downsampleFactor({ chMult });
  const resolution = Math.max(1, Math.ceil(size / factor)) * factor; // only the places of attention depend on it
  const middle = read.get('mid_block_add_attention', true);
  if (attention.length > 0 && !middle) {
    throw new ArgumentError(op, 'mid_block_add_attention', 'true where a level has attention', middle);
  }
  const scaleFactor = read.get('scaling_factor', 0.18215) as number;
  const shiftFactor = read.get('shift_factor', null) as number | null;
  const architecture = {
    ch,
    chMult,
    numResBlocks: read.get('layers_per_block', 1) as number,
    attnResolutions: attention.map((level) => resolution / 2 ** level),
    attnType: middle ? 'vanilla' : 'none',
    inChannels: read.get('in_channels', 3) as number,
    outCh: read.get('out_channels', 3) as number,
    resolution,
    dropout: 0,
    zChannels: latentChannels,
    embedDim,
    norm: 'group',
    normGroups: read.get('norm_num_groups', 32) as number,
    init: 'torch',
    scaleFactor,
    ...(shiftFactor === null ? {} : { shiftFactor }),
  } as const;
  for (const width of channels) {
    if (width % architecture.normGroups !== 0) {
      throw new ArgumentError(op, 'norm_num_groups', `a divisor of ${width}`, architecture.normGroups);
    }
  }
  if (name === 'VQModel') {
    const nEmbed = read.get('num_vq_embeddings', 256) as number;
    return { ...architecture, kind: 'vq', doubleZ: false, nEmbed, beta: 0.25, legacyBeta: true };
  }
  const quantConv = read.get('use_quant_conv', true) as boolean;
  const post = read.get('use_post_quant_conv', true);
  if (post !== quantConv) throw new ArgumentError(op, 'use_post_quant_conv', `${quantConv}, as use_quant_conv`, post);
  return { ...architecture, kind: 'kl', doubleZ: true, quantConv };
}

/** Levels, the finest being 0, whose blocks have attention: the encoder's and the decoder's must agree. */
function attentionLevels(read: Settings, levels: number): number[] {
  const { op } = read;
  const types = (name: string, kinds: { readonly plain: string; readonly attention: string }) => {
    const list = read.get(name, [kinds.plain]);
    const fits = Array.isArray(list) && list.length === levels;
    if (!fits || !list.every((type) => type === kinds.plain || type === kinds.attention)) {
      throw new ArgumentError(op, name, `${levels} of ${kinds.plain}, ${kinds.attention}`, list);
    }
    return list.flatMap((type, i) => (type === kinds.attention ? [i] : []));
  };
  const down = types('down_block_types', DOWN);
  const up = types('up_block_types', UP).map((block) => levels - 1 - block);
  if (String(down) !== String([...up].sort((a, b) => a - b))) {
    throw new ArgumentError(
      op,
      'up_block_types',
      'attention at the levels of down_block_types',
      read.get('up_block_types', []),
    );
  }
  return down;
}

function tiny(read: Settings): AutoencoderTinyConfig {
  const width = (name: string) => {
    const channels = read.integers(name, [64, 64, 64, 64]);
    if (channels.some((count) => count !== channels[0])) {
      throw new ArgumentError(read.op, name, 'all the same, as the strided convolutions ask', channels);
    }
    return channels;
  };
  const [encoder, decoder] = [width('encoder_block_out_channels'), width('decoder_block_out_channels')];
  const config: AutoencoderTinyConfig = {
    kind: 'tiny',
    inChannels: read.get('in_channels', 3) as number,
    outCh: read.get('out_channels', 3) as number,
    latentChannels: read.get('latent_channels', 4) as number,
    encoderCh: encoder[0],
    decoderCh: decoder[0],
    encoderBlocks: read.integers('num_encoder_blocks', [1, 3, 3, 3]),
    decoderBlocks: read.integers('num_decoder_blocks', [3, 3, 3, 1]),
    pool: false,
    range: 'signed',
    latentMagnitude: read.get('latent_magnitude', 3) as number,
    latentShift: read.get('latent_shift', 0.5) as number,
  };
  for (const [blocks, channels, name] of [
    [config.encoderBlocks, encoder, 'num_encoder_blocks'],
    [config.decoderBlocks, decoder, 'num_decoder_blocks'],
  ] as const) {
    if (blocks.length !== channels.length) {
      throw new ArgumentError(read.op, name, `${channels.length} counts`, blocks);
    }
  }
  return config;
}

/** A file's settings, each marked when it is read, so that what is left over can be refused. */
class Settings {
  readonly #read = new Set(UNREAD);

  constructor(
    readonly op: string,
    private readonly json: DiffusersAutoencoderConfig,
  ) {}

  /** A setting, or diffusers' default where the file does not name it. */
  get(name: string, fallback: unknown): unknown {
    this.#read.add(name);
    return Object.hasOwn(this.json, name) ? this.json[name] : fallback;
  }

  /** @throws {ArgumentError} unless it is a list of integers. */
  integers(name: string, fallback: readonly number[]): readonly number[] {
    const list = this.get(name, fallback);
    if (!Array.isArray(list) || list.length === 0 || !list.every(Number.isSafeInteger)) {
      throw new ArgumentError(this.op, name, 'a list of integers', list);
    }
    return list as number[];
  }

  /** @throws {ArgumentError} on what was not read, unless it has the only value there is. */
  checkRest(fixed: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(this.json)) {
      if (this.#read.has(name)) continue;
      if (!Object.hasOwn(fixed, name)) {
        throw new ArgumentError(this.op, name, 'absent (the setting is unknown)', value);
      }
      if (value !== fixed[name]) throw new ArgumentError(this.op, name, `${fixed[name]} or absent`, value);
    }
  }
}

/**
 * The `config.json` of diffusers for a configuration: what `autoencoderConfigFromDiffusers` reads.
 * @throws {ArgumentError} where diffusers has no such network.
 */
export function autoencoderConfigToDiffusers(
  config: AutoencoderConfig | AutoencoderTinyConfig,
): DiffusersAutoencoderConfig {
  const op = 'autoencoderConfigToDiffusers';
  if (config.kind === 'tiny') {
    checkAutoencoderTinyConfig(config);
    if (config.pool) throw new ArgumentError(op, 'pool', 'false', true);
    if (config.range !== 'signed') throw new ArgumentError(op, 'range', "'signed'", config.range);
    return {
      _class_name: 'AutoencoderTiny',
      in_channels: config.inChannels,
      out_channels: config.outCh,
      encoder_block_out_channels: config.encoderBlocks.map(() => config.encoderCh),
      decoder_block_out_channels: config.decoderBlocks.map(() => config.decoderCh),
      act_fn: 'relu',
      latent_channels: config.latentChannels,
      upsampling_scaling_factor: 2,
      num_encoder_blocks: config.encoderBlocks,
      num_decoder_blocks: config.decoderBlocks,
      latent_magnitude: config.latentMagnitude,
      latent_shift: config.latentShift,
    };
  }
  checkAutoencoderConfig(config);
  const { ch, chMult, attnResolutions, attnType, resolution, norm, normGroups, zChannels, embedDim } = config;
  if (norm !== 'group') throw new ArgumentError(op, 'norm', "'group'", norm);
  if (config.kind === 'kl' && embedDim !== zChannels) throw new ArgumentError(op, 'embedDim', `${zChannels}`, embedDim);
  if (config.kind === 'vq' && (config.beta !== 0.25 || config.legacyBeta === false)) {
    throw new ArgumentError(op, 'beta', '0.25, legacy', config.beta);
  }
  const widths = chMult.map((multiplier) => ch * multiplier);
  for (const width of widths) {
    if (width % normGroups !== 0) throw new ArgumentError(op, 'normGroups', `a divisor of ${width}`, normGroups);
  }
  const attends = chMult.map((_, level) => attnType === 'vanilla' && attnResolutions.includes(resolution / 2 ** level));
  return {
    _class_name: config.kind === 'kl' ? 'AutoencoderKL' : 'VQModel',
    in_channels: config.inChannels,
    out_channels: config.outCh,
    down_block_types: attends.map((attention) => (attention ? DOWN.attention : DOWN.plain)),
    up_block_types: attends.map((attention) => (attention ? UP.attention : UP.plain)).reverse(),
    block_out_channels: widths,
    layers_per_block: config.numResBlocks,
    act_fn: 'silu',
    latent_channels: zChannels,
    norm_num_groups: normGroups,
    sample_size: resolution,
    mid_block_add_attention: attnType === 'vanilla',
    ...(config.scaleFactor === undefined ? {} : { scaling_factor: config.scaleFactor }),
    ...(config.shiftFactor === undefined ? {} : { shift_factor: config.shiftFactor }),
    ...(config.kind === 'vq'
      ? { num_vq_embeddings: config.nEmbed, vq_embed_dim: embedDim }
      : { use_quant_conv: config.quantConv ?? true, use_post_quant_conv: config.quantConv ?? true }),
  };
}
