import type { ClipTextConfig } from './config';

const openAi = {
  vocabSize: 49408,
  maxPositionEmbeddings: 77,
  hiddenAct: 'quick_gelu',
  layerNormEps: 1e-5,
  eosTokenId: 2,
} as const;
const openClip = { ...openAi, hiddenAct: 'gelu' } as const;

/** The text models of published checkpoints, by the model that they are the text part of. */
export const presets = {
  /** openai/clip-vit-base-patch32. */
  'clip-vit-base-patch32': {
    ...openAi,
    hiddenSize: 512,
    intermediateSize: 2048,
    numHiddenLayers: 12,
    numAttentionHeads: 8,
  },
  /** openai/clip-vit-large-patch14: LDM's FrozenCLIPEmbedder, Stable Diffusion 1; the paper's context of 77 x 768. */
  'clip-vit-large-patch14': {
    ...openAi,
    hiddenSize: 768,
    intermediateSize: 3072,
    numHiddenLayers: 12,
    numAttentionHeads: 12,
  },
  /** Stable Diffusion 2's: OpenCLIP's ViT-H/14 without its last layer. */
  'openclip-vit-h-14-penultimate': {
    ...openClip,
    hiddenSize: 1024,
    intermediateSize: 4096,
    numHiddenLayers: 23,
    numAttentionHeads: 16,
  },
  /** Stable Diffusion XL's second, with its projection: OpenCLIP's ViT-bigG/14. */
  'openclip-vit-bigg-14': {
    ...openClip,
    hiddenSize: 1280,
    intermediateSize: 5120,
    numHiddenLayers: 32,
    numAttentionHeads: 20,
    projectionDim: 1280,
  },
} as const satisfies Record<string, ClipTextConfig>;
