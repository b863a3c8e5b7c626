import { ArgumentError } from '@sd/core';
import { type ClipTextConfig, checkClipTextConfig } from './config';

/** The `config.json` beside a file of transformers' CLIPTextModel, CLIPTextModelWithProjection or CLIPModel. */
export type HuggingFaceConfig = { readonly [name: string]: unknown };

const OPERATION = 'clipTextConfigFromHuggingFace';
const WITH_PROJECTION = 'CLIPTextModelWithProjection';

/** Own field, field of the file, transformers' default. */
const FIELDS = [
  ['vocabSize', 'vocab_size', 49408],
  ['hiddenSize', 'hidden_size', 512],
  ['intermediateSize', 'intermediate_size', 2048],
  ['numHiddenLayers', 'num_hidden_layers', 12],
  ['numAttentionHeads', 'num_attention_heads', 8],
  ['maxPositionEmbeddings', 'max_position_embeddings', 77],
  ['hiddenAct', 'hidden_act', 'quick_gelu'],
  ['layerNormEps', 'layer_norm_eps', 1e-5],
  ['eosTokenId', 'eos_token_id', 49407],
] as const;

/**
 * The configuration that a `config.json` of transformers describes, its defaults filled in; of a whole CLIPModel its
 * `text_config`. Such files hold dozens of settings that no text model reads: they are passed over.
 * @throws {ArgumentError} on another kind of model, or on a value that does not fit.
 */
export function clipTextConfigFromHuggingFace(json: HuggingFaceConfig): ClipTextConfig {
  if (!isObject(json)) throw new ArgumentError(OPERATION, 'config', 'an object', json);
  const whole = json.model_type === 'clip' || json.text_config !== undefined;
  const text = whole ? json.text_config : json;
  if (!isObject(text)) throw new ArgumentError(OPERATION, 'text_config', 'an object', text);
  const type = text.model_type ?? 'clip_text_model';
  if (type !== 'clip_text_model') {
    throw new ArgumentError(OPERATION, 'model_type', "'clip_text_model' or 'clip'", type);
  }
  const { architectures } = json;
  const projects = Array.isArray(architectures) && architectures.includes(WITH_PROJECTION);
  const config = {
    ...Object.fromEntries(FIELDS.map(([own, name, fallback]) => [own, text[name] ?? fallback])),
    ...(projects ? { projectionDim: text.projection_dim ?? 512 } : {}),
  } as ClipTextConfig;
  checkClipTextConfig(config);
  return config;
}

/** The `config.json` of transformers for a configuration: what `clipTextConfigFromHuggingFace` reads. @throws {ArgumentError} */
export function clipTextConfigToHuggingFace(config: ClipTextConfig): HuggingFaceConfig {
  checkClipTextConfig(config);
  const { projectionDim } = config;
  return {
    architectures: [projectionDim === undefined ? 'CLIPTextModel' : WITH_PROJECTION],
    model_type: 'clip_text_model',
    ...Object.fromEntries(FIELDS.map(([own, name]) => [name, config[own]])),
    ...(projectionDim === undefined ? {} : { projection_dim: projectionDim }),
  };
}

function isObject(value: unknown): value is HuggingFaceConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
