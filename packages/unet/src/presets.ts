import type { UNetConfig } from './config';
import { LDM_NORM_GROUPS } from './norm-groups';

// LDM's yaml files (configs/latent-diffusion, models/ldm). Lite and SD: Yang et al. 2023, whose text leaves the layout
// open; widths and places of the wavelet-gated modules are those that give the published parameters and MACs.

const LDM_FFHQ: UNetConfig = {
  imageSize: 64,
  inChannels: 3,
  outChannels: 3,
  modelChannels: 224,
  channelMult: [1, 2, 3, 4],
  numResBlocks: 2,
  attentionResolutions: [8, 4, 2],
  numHeadChannels: 32,
  normGroups: LDM_NORM_GROUPS,
};

const LDM_CHURCH: UNetConfig = {
  imageSize: 32,
  inChannels: 4,
  outChannels: 4,
  modelChannels: 192,
  channelMult: [1, 2, 2, 4, 4],
  numResBlocks: 2,
  attentionResolutions: [1, 2, 4, 8],
  numHeads: 8,
  useScaleShiftNorm: true,
  resblockUpdown: true,
  normGroups: LDM_NORM_GROUPS,
};

/** cin256-v2. The class embedding, 1001 x 512, is a model of its own and gives a context of one token. */
const LDM_IMAGENET: UNetConfig = {
  imageSize: 64,
  inChannels: 3,
  outChannels: 3,
  modelChannels: 192,
  channelMult: [1, 2, 3, 5],
  numResBlocks: 2,
  attentionResolutions: [8, 4, 2],
  numHeads: 1,
  useSpatialTransformer: true,
  transformerDepth: 1,
  contextDim: 512,
  contextLength: 1,
  normGroups: LDM_NORM_GROUPS,
};

/** LDM's text-to-image model, 1.45B with its text encoder. */
const LDM_COCO: UNetConfig = {
  imageSize: 32,
  inChannels: 4,
  outChannels: 4,
  modelChannels: 320,
  channelMult: [1, 2, 4, 4],
  numResBlocks: 2,
  attentionResolutions: [4, 2, 1],
  numHeads: 8,
  useSpatialTransformer: true,
  transformerDepth: 1,
  contextDim: 1280,
  contextLength: 77,
  legacy: false,
  normGroups: LDM_NORM_GROUPS,
};

const slim = (config: UNetConfig, modelChannels = 64): UNetConfig => ({ ...config, modelChannels });

const gated = (config: UNetConfig): UNetConfig => ({
  ...config,
  resample: 'wavelet',
  wavelet: { fuse: 'conv', gate: 'channel', gateHidden: 4 },
});

/** Narrower, with the tokens of CLIP's text encoder, 768 wide. */
const LITE_COCO: UNetConfig = { ...slim(LDM_COCO, 96), contextDim: 768 };

type Dataset = 'ffhq' | 'celebahq' | 'lsun-bedroom' | 'lsun-church' | 'imagenet' | 'coco';

export type PresetName = `${'ldm' | 'lite' | 'sd'}-${Dataset}`;

/** The published configurations: the teacher, its slim copy, and the slim copy with wavelet gating. */
export const presets: Readonly<Record<PresetName, UNetConfig>> = {
  'ldm-ffhq': LDM_FFHQ,
  'lite-ffhq': slim(LDM_FFHQ),
  'sd-ffhq': gated(slim(LDM_FFHQ)),
  'ldm-celebahq': LDM_FFHQ,
  'lite-celebahq': slim(LDM_FFHQ),
  'sd-celebahq': gated(slim(LDM_FFHQ)),
  'ldm-lsun-bedroom': LDM_FFHQ,
  'lite-lsun-bedroom': slim(LDM_FFHQ),
  'sd-lsun-bedroom': gated(slim(LDM_FFHQ)),
  'ldm-lsun-church': LDM_CHURCH,
  'lite-lsun-church': slim(LDM_CHURCH),
  'sd-lsun-church': gated(slim(LDM_CHURCH)),
  'ldm-imagenet': LDM_IMAGENET,
  'lite-imagenet': slim(LDM_IMAGENET),
  'sd-imagenet': gated(slim(LDM_IMAGENET)),
  'ldm-coco': LDM_COCO,
  'lite-coco': LITE_COCO,
  'sd-coco': gated(LITE_COCO),
};
