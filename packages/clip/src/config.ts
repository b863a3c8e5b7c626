import { ArgumentError, checkInteger } from '@sd/core';

/** CLIP's text model as data: the fields of transformers' CLIPTextConfig in camelCase. Survives JSON. */
export type ClipTextConfig = {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Width of the feed-forward layers. */
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  /** Divides the hidden size. */
  readonly numAttentionHeads: number;
  /** The longest text in tokens, begin and end included. */
  readonly maxPositionEmbeddings: number;
  /** `quick_gelu` is OpenAI's x sigmoid(1.702 x), `gelu` OpenCLIP's exact one. */
  readonly hiddenAct: 'quick_gelu' | 'gelu';
  readonly layerNormEps: number;
  /**
   * The token at whose first place a text is pooled. 2 is what configurations said until 2023, in error: it means the
   * place of the largest token, which is the end token of CLIP's own vocabulary.
   */
  readonly eosTokenId: number;
  /** Width of the projection of the pooled output (CLIPTextModelWithProjection); without it there is none. */
  readonly projectionDim?: number;
};

const OPERATION = 'ClipTextConfig';
const INTEGERS = [
  'vocabSize',
  'hiddenSize',
  'intermediateSize',
  'numHiddenLayers',
  'numAttentionHeads',
  'maxPositionEmbeddings',
] as const;
const FIELDS: readonly string[] = [...INTEGERS, 'hiddenAct', 'layerNormEps', 'eosTokenId', 'projectionDim'];

/** @throws {ArgumentError} that names the first field whose value no text model can have. */
export function checkClipTextConfig(config: ClipTextConfig): void {
  for (const name of Object.keys(config)) {
    if (!FIELDS.includes(name)) throw new ArgumentError(OPERATION, 'field', `one of ${FIELDS.join(', ')}`, name);
  }
  for (const name of INTEGERS) checkInteger(OPERATION, name, config[name]);
  const { hiddenSize, numAttentionHeads, hiddenAct, layerNormEps, eosTokenId, projectionDim } = config;
  if (hiddenSize % numAttentionHeads !== 0) {
    throw new ArgumentError(OPERATION, 'numAttentionHeads', `a divisor of ${hiddenSize}`, numAttentionHeads);
  }
  if (hiddenAct !== 'quick_gelu' && hiddenAct !== 'gelu') {
    throw new ArgumentError(OPERATION, 'hiddenAct', "'quick_gelu' or 'gelu'", hiddenAct);
  }
  if (!(Number.isFinite(layerNormEps) && layerNormEps > 0)) {
    throw new ArgumentError(OPERATION, 'layerNormEps', 'a positive number', layerNormEps);
  }
  checkInteger(OPERATION, 'eosTokenId', eosTokenId, 0);
  if (projectionDim !== undefined) checkInteger(OPERATION, 'projectionDim', projectionDim);
}
