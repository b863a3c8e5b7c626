import { float32View, openSafetensors, type StateDict, type TensorView, writeSafetensors } from '@sd/checkpoint';
import { normal, randomKey } from '@sd/core';
import { StateDictError, withPrefix } from '@sd/nn';
import { describeBackends, expectGradient } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test, vi } from 'vitest';
import { ClipTextModel, type TokenIds } from './clip-text-model';
import type { ClipTextConfig } from './config';
import { countMacs, countParameters } from './counts';
import { presets } from './presets';
import { goldenConfig, referenceWeights } from './test-values';

const tiny: ClipTextConfig = {
  vocabSize: 12,
  hiddenSize: 4,
  intermediateSize: 6,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  maxPositionEmbeddings: 5,
  hiddenAct: 'quick_gelu',
  layerNormEps: 1e-5,
  eosTokenId: 11,
};
const WITHOUT = 'transformers without text_model.';
const others: StateDict = new Map([
  ['logit_scale', float32View(Float32Array.of(4.6), [])],
  ['text_projection.weight', float32View(new Float32Array(8), [2, 4])],
  ['visual_projection.weight', float32View(new Float32Array(8), [2, 4])],
  ['vision_model.post_layernorm.bias', float32View(new Float32Array(4), [4])],
  ['text_model.embeddings.position_ids', { dtype: 'I64', shape: [1, 5], data: new Uint8Array(40) }],
]);

function blob(state: StateDict) {
  const bytes = writeSafetensors(new Map(state));
  return { size: bytes.length, read: async (at: number, length: number) => bytes.slice(at, at + length) };
}

describeBackends(['cpu', 'wasm'], () => {
  test('the gradient through the whole model is that of finite differences', async () => {
    const model = new ClipTextModel(tiny).initialize(randomKey(1));
    const ids = [
      [10, 3, 7, 11],
      [10, 5, 11, 11],
    ];
    const table = model.tokenEmbedding.weight;
    const forward = (weight: tf.Tensor) => {
      const spy = vi.spyOn(table, 'value', 'get').mockReturnValue(weight as tf.Variable);
      try {
        const { lastHiddenState, pooled } = model.forward(ids);
        return tf.concat([tf.reshape(lastHiddenState, [-1]), tf.reshape(pooled, [-1])]);
      } finally {
        spy.mockRestore();
      }
    };
    await expectGradient(forward, normal(randomKey(2), [12, 4]));
  });

  test('a text is pooled at its end token, by the rule of its configuration', async () => {
    const ids = [
      [3, 8, 10, 8, 9],
      [8, 8, 8, 2, 8],
      [1, 2, 3, 4, 5],
    ];
    const rows = async (eosTokenId: number) => {
      const model = new ClipTextModel({ ...tiny, eosTokenId }).initialize(randomKey(1));
      const { lastHiddenState, pooled } = model.forward(ids);
      return { pooled, last: tf.unstack(lastHiddenState) };
    };
    const pick = (last: readonly tf.Tensor[], places: readonly number[]) =>
      tf.stack(places.map((place, i) => tf.squeeze(tf.slice(last[i], [place, 0], [1, 4]), [0])));
    const first = await rows(8);
    await expect(first.pooled).toBeAllclose(pick(first.last, [1, 0, 0]), 0); // none: the first token
    const legacy = await rows(2);
    await expect(legacy.pooled).toBeAllclose(pick(legacy.last, [2, 0, 4]), 0); // the first of the largest
  });
});

describe('files', () => {
  test('what is written has the names, shapes and bytes of the reference', async () => {
    const model = new ClipTextModel(goldenConfig()).loadStateDict(referenceWeights);
    expect(model.loadedLayout?.project).toBe(WITHOUT);
    const written = await model.stateDict({ layout: WITHOUT });
    const sorted = (state: StateDict) => new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
    expect(sorted(written)).toEqual(sorted(referenceWeights));
  });

  test('is by default under the names of published files', async () => {
    const model = new ClipTextModel({ ...tiny, numHiddenLayers: 1, projectionDim: 3 });
    const state = await model.stateDict();
    expect([...state].map(([name, { shape }]) => `${name} [${shape}]`)).toMatchInlineSnapshot(`
      [
        "text_model.embeddings.token_embedding.weight [12,4]",
        "text_model.embeddings.position_embedding.weight [5,4]",
        "text_model.encoder.layers.0.self_attn.k_proj.weight [4,4]",
        "text_model.encoder.layers.0.self_attn.k_proj.bias [4]",
        "text_model.encoder.layers.0.self_attn.v_proj.weight [4,4]",
        "text_model.encoder.layers.0.self_attn.v_proj.bias [4]",
        "text_model.encoder.layers.0.self_attn.q_proj.weight [4,4]",
        "text_model.encoder.layers.0.self_attn.q_proj.bias [4]",
        "text_model.encoder.layers.0.self_attn.out_proj.weight [4,4]",
        "text_model.encoder.layers.0.self_attn.out_proj.bias [4]",
        "text_model.encoder.layers.0.layer_norm1.weight [4]",
        "text_model.encoder.layers.0.layer_norm1.bias [4]",
        "text_model.encoder.layers.0.mlp.fc1.weight [6,4]",
        "text_model.encoder.layers.0.mlp.fc1.bias [6]",
        "text_model.encoder.layers.0.mlp.fc2.weight [4,6]",
        "text_model.encoder.layers.0.mlp.fc2.bias [4]",
        "text_model.encoder.layers.0.layer_norm2.weight [4]",
        "text_model.encoder.layers.0.layer_norm2.bias [4]",
        "text_model.final_layer_norm.weight [4]",
        "text_model.final_layer_norm.bias [4]",
        "text_projection.weight [3,4]",
      ]
    `);
    const bare = await model.stateDict({ layout: WITHOUT });
    expect([...bare.keys()]).toEqual([...state.keys()].map((name) => name.replace('text_model.', '')));
  });

  test.each([
    ['', 'transformers'],
    ['cond_stage_model.transformer.', 'transformers'],
    ['conditioner.embedders.0.transformer.', 'transformers'],
  ])('are read whole, under %j, with what else is in them', async (prefix, project) => {
    const model = new ClipTextModel(tiny).initialize(randomKey(1));
    const state = new Map([
      ...withPrefix(await model.stateDict(), prefix),
      ...withPrefix(others, prefix),
      ...(prefix === '' ? [] : [['model.diffusion_model.out.2.bias', others.get('logit_scale')!] as const]),
    ]);
    const copy = new ClipTextModel(tiny).loadStateDict(state);
    expect(copy.loadedLayout).toMatchObject({ project, prefix });
    expect(copy.setAside.map((name) => name.slice(prefix.length))).toEqual([...others.keys()]);
    expect(await copy.stateDict()).toEqual(await model.stateDict());
    const opened = await new ClipTextModel(tiny).loadFrom(await openSafetensors(blob(state)));
    expect([...opened.setAside].sort()).toEqual([...copy.setAside].sort());
    expect(await opened.stateDict()).toEqual(await model.stateDict());
  });

  test('that contradict the configuration are refused with every name at once', async () => {
    const state = await new ClipTextModel({ ...tiny, hiddenSize: 6, numHiddenLayers: 1 }).stateDict();
    const load = () => new ClipTextModel({ ...tiny, intermediateSize: 6, numHiddenLayers: 1 }).loadStateDict(state);
    expect(load).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: ClipTextModel.loadStateDict: the state dict is not of this architecture
        nearest names: transformers, 20 of 20
        19 of another shape: text_model.embeddings.token_embedding.weight expected [12, 4], got [12, 6], text_model.embeddings.position_embedding.weight expected [5, 4], got [5, 6], text_model.encoder.layers.0.self_attn.k_proj.weight expected [4, 4], got [6, 6], text_model.encoder.layers.0.self_attn.k_proj.bias expected [4], got [6], text_model.encoder.layers.0.self_attn.v_proj.weight expected [4, 4], got [6, 6], text_model.encoder.layers.0.self_attn.v_proj.bias expected [4], got [6], text_model.encoder.layers.0.self_attn.q_proj.weight expected [4, 4], got [6, 6], text_model.encoder.layers.0.self_attn.q_proj.bias expected [4], got [6], text_model.encoder.layers.0.self_attn.out_proj.weight expected [4, 4], got [6, 6], text_model.encoder.layers.0.self_attn.out_proj.bias expected [4], got [6], text_model.encoder.layers.0.layer_norm1.weight expected [4], got [6], text_model.encoder.layers.0.layer_norm1.bias expected [4], got [6], text_model.encoder.layers.0.mlp.fc1.weight expected [6, 4], got [6, 6], text_model.encoder.layers.0.mlp.fc2.weight expected [4, 6], got [6, 6], text_model.encoder.layers.0.mlp.fc2.bias expected [4], got [6], text_model.encoder.layers.0.layer_norm2.weight expected [4], got [6], text_model.encoder.layers.0.layer_norm2.bias expected [4], got [6], text_model.final_layer_norm.weight expected [4], got [6], text_model.final_layer_norm.bias expected [4], got [6]]
    `);
    const layers = await new ClipTextModel({ ...tiny, numHiddenLayers: 1 }).stateDict();
    expect(() => new ClipTextModel(tiny).loadStateDict(layers)).toThrow('text_model.encoder.layers.1.self_attn.k_proj');
  });

  test('of another model, or with values that are not finite, are refused', async () => {
    const unknown = new Map([['transformer.wte.weight', others.get('logit_scale')!]]);
    expect(() => new ClipTextModel({ ...tiny, numHiddenLayers: 1 }).loadStateDict(unknown)).toThrow(StateDictError);
    const state: Map<string, TensorView> = await new ClipTextModel(tiny).stateDict();
    state.set('text_model.final_layer_norm.bias', float32View(Float32Array.of(0, Number.NaN, 0, 0), [4]));
    expect(() => new ClipTextModel(tiny).loadStateDict(state)).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: ClipTextModel.loadStateDict: the state dict has values that are not finite (pass { allowNonFinite: true } to load it all the same)
        1 with values that are not finite: text_model.final_layer_norm.bias]
    `);
  });
});

describe('sizes', () => {
  // Parameters as transformers 5.17 counts them
  test.each([
    ['clip-vit-base-patch32', 63_165_952],
    ['clip-vit-large-patch14', 123_060_480],
    ['openclip-vit-h-14-penultimate', 340_387_840],
    ['openclip-vit-bigg-14', 694_659_840],
  ] as const)('of %s', (name, parameters) => {
    expect(countParameters(presets[name])).toBe(parameters);
  });

  test('multiply-accumulates of a small one, with and without attention', () => {
    const layer = 4 * 4 * 4 + 2 * 4 * 6;
    expect(countMacs(tiny)).toBe(5 * 2 * layer);
    expect(countMacs(tiny, { tokens: 3, attention: true })).toBe(3 * 2 * layer + 2 * 2 * 3 * 3 * 4);
    expect(countMacs({ ...tiny, projectionDim: 3 })).toBe(5 * 2 * layer + 12);
    expect(() => countMacs(tiny, { tokens: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: countMacs: tokens must be an integer >= 1, got 0]`,
    );
  });
});

describe('errors', () => {
  test('of tokens', () => {
    const model = new ClipTextModel(tiny);
    const wrong = (ids: unknown) => () => model.forward(ids as TokenIds);
    expect(wrong([])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextModel.forward: ids must be at least one list of tokens, got []]`,
    );
    expect(wrong([1, 2])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextModel.forward: ids must be at least one list of tokens, got [1, 2]]`,
    );
    expect(wrong([[]])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextModel.forward: ids must be 1 to 5 tokens a text, got 0]`,
    );
    expect(wrong([[1, 2, 3, 4, 5, 6]])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextModel.forward: ids must be 1 to 5 tokens a text, got 6]`,
    );
    expect(wrong([[1, 2], [3]])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextModel.forward: ids must be 2 tokens a text, got 1]`,
    );
    expect(() => model.context([[1, 12]])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextModel.context: token must be an integer in [0, 12), got 12]`,
    );
    expect(() => model.hiddenStates([[1, 0.5]])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextModel.hiddenStates: token must be an integer in [0, 12), got 0.5]`,
    );
    expect(model.tokenEmbedding.weight.isAllocated).toBe(false);
  });

  test('of the configuration', () => {
    const wrong = (change: object) => () => new ClipTextModel({ ...tiny, ...change });
    expect(wrong({ width: 3 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextConfig: field must be one of vocabSize, hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads, maxPositionEmbeddings, hiddenAct, layerNormEps, eosTokenId, projectionDim, got "width"]`,
    );
    expect(wrong({ numHiddenLayers: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextConfig: numHiddenLayers must be an integer >= 1, got 0]`,
    );
    expect(wrong({ numAttentionHeads: 3 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextConfig: numAttentionHeads must be a divisor of 4, got 3]`,
    );
    expect(wrong({ hiddenAct: 'relu' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextConfig: hiddenAct must be 'quick_gelu' or 'gelu', got "relu"]`,
    );
    expect(wrong({ layerNormEps: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextConfig: layerNormEps must be a positive number, got 0]`,
    );
    expect(wrong({ eosTokenId: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextConfig: eosTokenId must be an integer >= 0, got -1]`,
    );
    expect(wrong({ projectionDim: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTextConfig: projectionDim must be an integer >= 1, got 0]`,
    );
  });
});
