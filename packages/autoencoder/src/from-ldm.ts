import { ArgumentError } from '@sd/core';
import { checkAutoencoderConfig } from './check-config';
import type { AutoencoderArchitecture, AutoencoderConfig, VQModelConfig } from './config';
import { type Autoencoder, createAutoencoder } from './create-autoencoder';

/** `params` of a first stage in LDM's yaml files, or of `first_stage_config` in a diffusion model's. */
export type LdmAutoencoderParams = {
  readonly ddconfig: { readonly [name: string]: unknown };
  readonly embed_dim: number;
  /** Makes it a VQ model. */
  readonly n_embed?: number;
  readonly [name: string]: unknown;
};

/** Of the training, or of no effect on the network: may be there, is not read. */
const TRAINING_PARAMS = [
  'lossconfig',
  'ckpt_path',
  'ignore_keys',
  'image_key',
  'monitor',
  'batch_resize_range',
  'scheduler_config',
  'lr_g_factor',
  'use_ema',
  'colorize_nlabels',
];

/** Settings of model.py and VQModel that exist with one value only here. */
const FIXED: Readonly<Record<string, unknown>> = {
  resamp_with_conv: true,
  tanh_out: false,
  give_pre_end: false,
  use_linear_attn: false,
  remap: null,
  sane_index_shape: false,
};

const LDM_STYLE = { norm: 'group', normGroups: 32, init: 'torch' } as const;

const DDCONFIG: Readonly<Record<string, keyof AutoencoderArchitecture>> = {
  ch: 'ch',
  ch_mult: 'chMult',
  num_res_blocks: 'numResBlocks',
  attn_resolutions: 'attnResolutions',
  attn_type: 'attnType',
  in_channels: 'inChannels',
  out_ch: 'outCh',
  resolution: 'resolution',
  z_channels: 'zChannels',
  double_z: 'doubleZ',
  dropout: 'dropout',
};

/**
 * The configuration that LDM's yaml describes: VQ where there is an `n_embed`, else KL.
 * @throws {ArgumentError} on an unknown or unsupported setting, or on a value that does not fit.
 */
export function autoencoderConfigFromLdm(params: LdmAutoencoderParams): AutoencoderConfig {
  const op = 'autoencoderConfigFromLdm';
  const { ddconfig, embed_dim: embedDim, n_embed: nEmbed, beta = 0.25, legacy: legacyBeta = true, ...others } = params;
  if (ddconfig === null || typeof ddconfig !== 'object') throw new ArgumentError(op, 'ddconfig', 'an object', ddconfig);
  for (const [name, value] of Object.entries(others)) {
    if (!TRAINING_PARAMS.includes(name)) checkFixed(op, name, value);
  }
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(ddconfig)) {
    const field = Object.hasOwn(DDCONFIG, name) ? DDCONFIG[name] : undefined;
    if (field) read[field] = value;
    else checkFixed(op, `ddconfig.${name}`, value);
  }
  const defaults = { attnType: 'vanilla', dropout: 0, doubleZ: true }; // model.py's
  const kind = nEmbed === undefined ? { kind: 'kl', quantConv: true } : { kind: 'vq', nEmbed, beta, legacyBeta };
  const config = { ...kind, ...defaults, ...read, embedDim, ...LDM_STYLE } as AutoencoderConfig;
  checkAutoencoderConfig(config);
  return config;
}

/** The model of `autoencoderConfigFromLdm`. Takes no memory yet. @throws {ArgumentError} */
export function autoencoderFromLdm(params: LdmAutoencoderParams): Autoencoder {
  return createAutoencoder(autoencoderConfigFromLdm(params));
}

/**
 * What `autoencoderConfigFromLdm` reads: the `params` of a yaml file of latent-diffusion, without its `lossconfig`.
 * @throws {ArgumentError} where latent-diffusion has no such network: without group normalization of 32 groups, or
 * without 1x1 convolutions around the latent.
 */
export function autoencoderConfigToLdm(config: AutoencoderConfig): LdmAutoencoderParams {
  const op = 'autoencoderConfigToLdm';
  checkAutoencoderConfig(config);
  if (config.norm !== 'group') throw new ArgumentError(op, 'norm', "'group'", config.norm);
  const { normGroups } = config;
  if (normGroups !== LDM_STYLE.normGroups) throw new ArgumentError(op, 'normGroups', '32', normGroups);
  if (config.kind === 'kl' && config.quantConv === false) throw new ArgumentError(op, 'quantConv', 'true', false);
  const ddconfig = Object.fromEntries(Object.entries(DDCONFIG).map(([name, field]) => [name, config[field]]));
  const { beta, legacyBeta = true, nEmbed } = config.kind === 'vq' ? config : ({} as Partial<VQModelConfig>);
  return {
    embed_dim: config.embedDim,
    ...(nEmbed === undefined ? {} : { n_embed: nEmbed }),
    // settings of the quantizer that latent-diffusion's VQModel does not pass on, left out where they are its own
    ...(beta === undefined || beta === 0.25 ? {} : { beta }),
    ...(legacyBeta ? {} : { legacy: false }),
    ddconfig,
  };
}

function checkFixed(op: string, path: string, value: unknown): void {
  const name = path.replace('ddconfig.', '');
  if (!Object.hasOwn(FIXED, name)) throw new ArgumentError(op, path, 'absent (the setting is unknown)', value);
  if (value !== FIXED[name]) throw new ArgumentError(op, path, `${FIXED[name]} or absent`, value);
}
