import type { StateDict, TensorFile } from '@sd/checkpoint';
import { ArgumentError } from '@sd/core';
import {
  Embedding,
  type FoundLayout,
  LayerNorm,
  type LayoutOptions,
  Linear,
  type LoadOptions,
  type LoadPlan,
  Module,
  ownLayout,
  renamed,
  type StateDictLayout,
  type TensorShapes,
} from '@sd/nn';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { causalMask } from './causal-self-attention';
import { ClipEncoderLayer } from './clip-encoder-layer';
import { type ClipTextConfig, checkClipTextConfig } from './config';

/** Texts as tokens, all of the same length: what `ClipTokenizer.encodeAll` gives. */
export type TokenIds = readonly (readonly number[])[];

export type ClipTextOutput = {
  /** After the last layer and the final norm, `[N, T, hiddenSize]`: the context of text-conditional diffusion. */
  readonly lastHiddenState: Tensor3D;
  /** Its row at each text's end token, `[N, hiddenSize]`. */
  readonly pooled: Tensor2D;
  /** The projection of `pooled`, `[N, projectionDim]`; only of a model that has one. */
  readonly projected?: Tensor2D;
};

/** The first is where a model is written; the others are checkpoints of LDM and Stable Diffusion, and of its XL. */
const PLACES = ['', 'cond_stage_model.transformer.', 'conditioner.embedders.0.transformer.'].map((prefix) => ({
  prefix,
}));
const TEXT_MODEL = 'text_model.';
/** What files hold beside a text model: CLIP's other half, and a table of 0, 1, 2, ... that former versions kept. */
const OTHERS = ['vision_model.', 'visual_projection.', 'logit_scale'];
const POSITION_IDS = 'embeddings.position_ids';

/**
 * CLIP's text model (Radford et al. 2021), a transformer whose tokens see those before them. Its state is that of
 * transformers' CLIPTextModel (or CLIPTextModelWithProjection): names with and without `text_model.` are read, alone,
 * in a whole CLIPModel's file or in a diffusion model's (`cond_stage_model.transformer.`).
 */
export class ClipTextModel extends Module {
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Embedding;
  readonly layers: readonly ClipEncoderLayer[];
  readonly finalLayerNorm: LayerNorm;
  readonly textProjection: Linear | undefined;
  #setAside: readonly string[] = [];

  /** Takes no memory yet. @throws {ArgumentError} on a configuration that no text model can have. */
  constructor(readonly config: ClipTextConfig) {
    super();
    checkClipTextConfig(config);
    const { hiddenSize: features, layerNormEps: eps, projectionDim } = config;
    const table = (name: string, count: number) =>
      this.child(`${TEXT_MODEL}embeddings.${name}`, new Embedding({ count, features }));
    this.tokenEmbedding = table('token_embedding', config.vocabSize);
    this.positionEmbedding = table('position_embedding', config.maxPositionEmbeddings);
    this.layers = Array.from({ length: config.numHiddenLayers }, (_, i) =>
      this.child(`${TEXT_MODEL}encoder.layers.${i}`, new ClipEncoderLayer(config)),
    );
    this.finalLayerNorm = this.child(`${TEXT_MODEL}final_layer_norm`, new LayerNorm({ features, eps }));
    this.textProjection =
      projectionDim === undefined
        ? undefined
        : this.child('text_projection', new Linear({ inFeatures: features, outFeatures: projectionDim, bias: false }));
  }

  /**
   * @param ids N texts of T tokens each, T at most `maxPositionEmbeddings`. A text without the end token is pooled at its
   * first token, as transformers does. @returns Owned by the caller.
   * @throws {ArgumentError} on no text, ragged texts, too long ones, and tokens that are not in the vocabulary.
   */
  forward(ids: TokenIds): ClipTextOutput {
    this.#check('forward', ids);
    return tf.tidy(() => {
      const lastHiddenState = this.finalLayerNorm.forward(this.#run(ids).at(-1)!);
      const [n, tokens, channels] = lastHiddenState.shape;
      const rows = tf.reshape(lastHiddenState, [n * tokens, channels]) as Tensor2D;
      const places = ids.map((text, i) => i * tokens + endOf(text, this.config.eosTokenId));
      const pooled = tf.gather(rows, tf.tensor1d(places, 'int32')); // [N, C]
      return {
        lastHiddenState,
        pooled,
        ...(this.textProjection && { projected: this.textProjection.forward(pooled) }),
      };
    });
  }

  /**
   * The context of text-conditional diffusion, as LDM's FrozenCLIPEmbedder: `forward(ids).lastHiddenState` alone.
   * @returns `[N, T, hiddenSize]`. Owned by the caller. @throws {ArgumentError} as `forward`.
   */
  context(ids: TokenIds): Tensor3D {
    this.#check('context', ids);
    return tf.tidy(() => this.finalLayerNorm.forward(this.#run(ids).at(-1)!));
  }

  /**
   * What goes into each layer and what comes out of the last, before the final norm: transformers' `hidden_states`.
   * Stable Diffusion XL takes the last but one.
   * @returns `numHiddenLayers + 1` of `[N, T, hiddenSize]`. Owned by the caller. @throws {ArgumentError} as `forward`.
   */
  hiddenStates(ids: TokenIds): Tensor3D[] {
    this.#check('hiddenStates', ids);
    return tf.tidy(() => this.#run(ids));
  }

  #run(ids: TokenIds): Tensor3D[] {
    const { hiddenSize } = this.config;
    const tokens = ids[0].length;
    const embedded = tf.reshape(this.tokenEmbedding.forward(ids.flat()), [ids.length, tokens, hiddenSize]); // [N, T, C]
    const positions = this.positionEmbedding.forward(Array.from({ length: tokens }, (_, i) => i)); // [T, C]
    const mask = causalMask(tokens);
    const states = [tf.add(embedded, positions) as Tensor3D];
    for (const layer of this.layers) states.push(layer.forward(states.at(-1)!, mask));
    return states;
  }

  #check(method: string, ids: TokenIds): void {
    const operation = `ClipTextModel.${method}`;
    const { vocabSize, maxPositionEmbeddings } = this.config;
    if (!Array.isArray(ids) || ids.length === 0 || !ids.every((text) => Array.isArray(text))) {
      throw new ArgumentError(operation, 'ids', 'at least one list of tokens', ids);
    }
    const { length } = ids[0];
    if (length === 0 || length > maxPositionEmbeddings) {
      throw new ArgumentError(operation, 'ids', `1 to ${maxPositionEmbeddings} tokens a text`, length);
    }
    for (const text of ids) {
      if (text.length !== length) throw new ArgumentError(operation, 'ids', `${length} tokens a text`, text.length);
      for (const id of text) {
        if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
          throw new ArgumentError(operation, 'token', `an integer in [0, ${vocabSize})`, id);
        }
      }
    }
  }

  /** Multiply-accumulates of the linear layers for one text; with `attention`, of q k^T and its product with v too. */
  macs({ tokens = this.config.maxPositionEmbeddings, attention = false }: CountMacsOptions = {}): number {
    const layers = this.layers.reduce((sum, layer) => sum + layer.macs(tokens, attention), 0);
    return layers + (this.textProjection?.macs() ?? 0);
  }

  /** Names of the last loaded file that belong to other parts (CLIP's vision model, ...) and were passed over. */
  get setAside(): readonly string[] {
    return this.#setAside;
  }

  override stateDictLayouts(): StateDictLayout[] {
    const bare = [...this.parameters()].map(
      ([name, { torchShape }]) => [name, renamed(name.replace(TEXT_MODEL, ''), torchShape)] as const,
    );
    return [
      ownLayout('transformers', this, PLACES),
      { project: 'transformers without text_model.', tensors: new Map(bare), places: PLACES },
    ];
  }

  /** @throws {StateDictError} as `loadStateDict`. */
  override planLoad(header: TensorShapes, options: LayoutOptions = {}): LoadPlan {
    return super.planLoad(this.#withoutOthers(header), options);
  }

  override detectLayout(header: TensorShapes, options: LayoutOptions = {}): FoundLayout {
    return super.detectLayout(this.#withoutOthers(header), options);
  }

  /**
   * Takes a state dict of transformers' CLIPTextModel, of a whole CLIPModel or of a diffusion model that has one;
   * `loadedLayout` tells which names it had, `setAside` what was passed over. Strict, all or nothing.
   * @throws {StateDictError} that lists every missing, unexpected and mis-shaped name at once.
   */
  override loadStateDict(state: StateDict, options: LoadOptions = {}): this {
    super.loadStateDict(this.#withoutOthers(state), options);
    this.#setAside = [...state.keys()].filter((name) => this.#isOther(name));
    return this;
  }

  /** As `loadStateDict`, from a file that is read by ranges, one parameter at a time. @throws {StateDictError} */
  override async loadFrom(file: TensorFile, options: LoadOptions = {}): Promise<this> {
    await super.loadFrom(file, options);
    this.#setAside = file.names.filter((name) => this.#isOther(name));
    return this;
  }

  #withoutOthers<T>(state: ReadonlyMap<string, T>): Map<string, T> {
    return new Map([...state].filter(([name]) => !this.#isOther(name)));
  }

  #isOther(name: string): boolean {
    const { prefix } = PLACES.findLast((place) => name.startsWith(place.prefix))!;
    const own = name.slice(prefix.length);
    if (OTHERS.some((start) => own.startsWith(start)) || own.endsWith(POSITION_IDS)) return true;
    return this.textProjection === undefined && own.startsWith('text_projection.');
  }
}

export type CountMacsOptions = {
  /** Tokens of the text. Default the most there are. */
  readonly tokens?: number;
  /** Count the attention's products, too. Published numbers leave them out. Default false. */
  readonly attention?: boolean;
};

/** Where transformers pools a text: see `ClipTextConfig.eosTokenId`. The first of equals, and of none. */
function endOf(text: readonly number[], eosTokenId: number): number {
  return eosTokenId === 2 ? text.indexOf(Math.max(...text)) : Math.max(0, text.indexOf(eosTokenId));
}
