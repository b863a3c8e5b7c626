import type { AutoencoderArchitecture, AutoencoderKLConfig, VQModelConfig } from './config';

/** What the first stages that LDM published have in common. */
const LDM = {
  ch: 128,
  numResBlocks: 2,
  attnResolutions: [],
  attnType: 'vanilla',
  inChannels: 3,
  outCh: 3,
  resolution: 256,
  dropout: 0,
  norm: 'group',
  normGroups: 32,
  init: 'torch',
} as const satisfies Partial<AutoencoderArchitecture>;

/** [O]: small enough to be trained in minutes without a GPU, on images of 32 to 64 pixels. */
const TINY = {
  ch: 16,
  numResBlocks: 1,
  attnResolutions: [],
  attnType: 'none',
  inChannels: 3,
  outCh: 3,
  resolution: 32,
  dropout: 0,
  norm: 'none',
  normGroups: 8,
  init: 'linear',
} as const satisfies Partial<AutoencoderArchitecture>;

const KL = { kind: 'kl', doubleZ: true, quantConv: true } as const;
const VQ = { kind: 'vq', doubleZ: false, beta: 0.25, legacyBeta: true } as const;

const F16 = { chMult: [1, 1, 2, 2, 4], attnResolutions: [16] } as const;
const VQ_F8 = { chMult: [1, 2, 2, 4], attnResolutions: [32], zChannels: 4, embedDim: 4 } as const;

/**
 * Ready configurations by name; f is the downsample factor. The first nine are models/first_stage_models of
 * CompVis/latent-diffusion.
 */
export const presets = {
  'vq-f4': { ...LDM, ...VQ, chMult: [1, 2, 4], zChannels: 3, embedDim: 3, nEmbed: 8192 },
  'vq-f4-noattn': { ...LDM, ...VQ, attnType: 'none', chMult: [1, 2, 4], zChannels: 3, embedDim: 3, nEmbed: 8192 },
  'vq-f8': { ...LDM, ...VQ, ...VQ_F8, nEmbed: 16384 },
  'vq-f8-n256': { ...LDM, ...VQ, ...VQ_F8, nEmbed: 256 },
  'vq-f16': { ...LDM, ...VQ, ...F16, zChannels: 8, embedDim: 8, nEmbed: 16384 },
  'kl-f4': { ...LDM, ...KL, chMult: [1, 2, 4], zChannels: 3, embedDim: 3 },
  'kl-f8': { ...LDM, ...KL, chMult: [1, 2, 4, 4], zChannels: 4, embedDim: 4 },
  'kl-f16': { ...LDM, ...KL, ...F16, zChannels: 16, embedDim: 16 },
  'kl-f32': { ...LDM, ...KL, chMult: [1, 1, 2, 2, 4, 4], attnResolutions: [16, 8], zChannels: 64, embedDim: 64 },
  'tiny-kl-f2': { ...TINY, ...KL, chMult: [1, 1], zChannels: 4, embedDim: 4 },
  'tiny-kl-f4': { ...TINY, ...KL, chMult: [1, 2, 2], zChannels: 8, embedDim: 8 },
  'small-kl-f4': { ...TINY, ...KL, chMult: [1, 2, 4], zChannels: 4, embedDim: 4 },
  'tiny-vq-f4': { ...TINY, ...VQ, chMult: [1, 2, 2], zChannels: 4, embedDim: 4, nEmbed: 1024 },
} as const satisfies Readonly<Record<string, AutoencoderKLConfig | VQModelConfig>>;
