import type { AutoencoderTinyConfig } from './config';

const TAESD = {
  kind: 'tiny',
  inChannels: 3,
  outCh: 3,
  encoderCh: 64,
  decoderCh: 64,
  encoderBlocks: [1, 3, 3, 3],
  decoderBlocks: [3, 3, 3, 1],
  pool: false,
  range: 'signed',
  latentMagnitude: 3,
  latentShift: 0.5,
} as const satisfies Partial<AutoencoderTinyConfig>;

/** The tiny autoencoders that madebyollin/taesd published, by name; their latents are those of the named model's own. */
export const tinyPresets = {
  taesd: { ...TAESD, latentChannels: 4 }, // Stable Diffusion 1 and 2; TAESDXL has the same shape
  taesd3: { ...TAESD, latentChannels: 16 }, // Stable Diffusion 3
  taef1: { ...TAESD, latentChannels: 16 }, // FLUX.1
  taef2: { ...TAESD, latentChannels: 32, pool: true }, // FLUX.2
} as const satisfies Readonly<Record<string, AutoencoderTinyConfig>>;
