import { expect, test } from 'vitest';
import {
  clipTextConfigFromHuggingFace,
  clipTextConfigToHuggingFace,
  type HuggingFaceConfig,
} from './hugging-face-config';
import { presets } from './presets';
import { goldenConfig } from './test-values';

test.each(Object.entries(presets))('%s goes to Hugging Face and back', (_, preset) => {
  expect(clipTextConfigFromHuggingFace(JSON.parse(JSON.stringify(clipTextConfigToHuggingFace(preset))))).toEqual(
    preset,
  );
});

test('the fields are those of transformers', () => {
  expect(clipTextConfigToHuggingFace(presets['openclip-vit-bigg-14'])).toMatchInlineSnapshot(`
    {
      "architectures": [
        "CLIPTextModelWithProjection",
      ],
      "eos_token_id": 2,
      "hidden_act": "gelu",
      "hidden_size": 1280,
      "intermediate_size": 5120,
      "layer_norm_eps": 0.00001,
      "max_position_embeddings": 77,
      "model_type": "clip_text_model",
      "num_attention_heads": 20,
      "num_hidden_layers": 32,
      "projection_dim": 1280,
      "vocab_size": 49408,
    }
  `);
});

test("transformers' own files are read, with their defaults", () => {
  expect(goldenConfig()).toMatchInlineSnapshot(`
    {
      "eosTokenId": 199,
      "hiddenAct": "quick_gelu",
      "hiddenSize": 32,
      "intermediateSize": 64,
      "layerNormEps": 0.00001,
      "maxPositionEmbeddings": 16,
      "numAttentionHeads": 4,
      "numHiddenLayers": 2,
      "vocabSize": 200,
    }
  `);
  expect(goldenConfig('projection')).toMatchObject({ hiddenAct: 'gelu', eosTokenId: 2, projectionDim: 5 });
  expect(goldenConfig('legacy')).not.toHaveProperty('projectionDim'); // the file names one, the class has none
  expect(clipTextConfigFromHuggingFace({ architectures: ['CLIPTextModelWithProjection'] }).projectionDim).toBe(512);
});

test('of a whole CLIPModel the text part is read', () => {
  const whole = {
    architectures: ['CLIPModel'],
    model_type: 'clip',
    projection_dim: 768,
    text_config: {
      model_type: 'clip_text_model',
      hidden_size: 768,
      intermediate_size: 3072,
      num_attention_heads: 12,
      num_hidden_layers: 12,
      eos_token_id: 2,
      projection_dim: 768,
      bad_words_ids: null,
    },
    vision_config: { hidden_size: 1024 },
  };
  expect(clipTextConfigFromHuggingFace(whole)).toEqual(presets['clip-vit-large-patch14']);
});

test('other files are refused', () => {
  const wrong = (json: unknown) => () => clipTextConfigFromHuggingFace(json as HuggingFaceConfig);
  expect(wrong(null)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: clipTextConfigFromHuggingFace: config must be an object, got null]`,
  );
  expect(wrong({ model_type: 't5' })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: clipTextConfigFromHuggingFace: model_type must be 'clip_text_model' or 'clip', got "t5"]`,
  );
  expect(wrong({ model_type: 'clip' })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: clipTextConfigFromHuggingFace: text_config must be an object, got undefined]`,
  );
  expect(wrong({ hidden_act: 'silu' })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: ClipTextConfig: hiddenAct must be 'quick_gelu' or 'gelu', got "silu"]`,
  );
  expect(wrong({ eos_token_id: [1, 2] })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: ClipTextConfig: eosTokenId must be an integer >= 0, got [1, 2]]`,
  );
});
