export { CausalSelfAttention, type CausalSelfAttentionConfig, causalMask } from './causal-self-attention';
export { ClipEncoderLayer } from './clip-encoder-layer';
export { ClipTextModel, type ClipTextOutput, type CountMacsOptions, type TokenIds } from './clip-text-model';
export { ClipTokenizer, type ClipTokenizerOptions, type EncodeOptions } from './clip-tokenizer';
export { type ClipTextConfig, checkClipTextConfig } from './config';
export { countMacs, countParameters } from './counts';
export {
  clipTextConfigFromHuggingFace,
  clipTextConfigToHuggingFace,
  type HuggingFaceConfig,
} from './hugging-face-config';
export {
  type OpenClipTextOptions,
  type OpenClipTokenizerOptions,
  openClipText,
  openClipTokenizer,
} from './open-clip-folder';
export { presets } from './presets';
export { quickGelu } from './quick-gelu';
export type { TokenizerFiles } from './tokenizer-files';
