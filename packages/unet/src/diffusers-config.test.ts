import { describe, expect, test } from 'vitest';
import { resolveUNetConfig, type UNetConfig } from './config';
import { countMacs, countParameters } from './counts';
import { unetConfigFromDiffusers, unetConfigToDiffusers } from './diffusers-config';
import { presets } from './presets';
import { DDPM_CELEBAHQ, DDPM_CIFAR10, SD_15, SD_21, SDXL } from './testing/diffusers-configs';
import { DIFFUSERS_GOLDENS, diffusersGolden } from './testing/diffusers-golden';
import { DIFFUSERS_VARIANTS, diffusersVariant } from './testing/diffusers-variants';

test.each([
  ['google/ddpm-cifar10-32', DDPM_CIFAR10, 35_746_307],
  ['google/ddpm-celebahq-256', DDPM_CELEBAHQ, 113_673_219],
  ['Stable Diffusion 1.5', SD_15, 859_520_964],
  ['Stable Diffusion 2.1', SD_21, 865_910_724],
  ['Stable Diffusion XL', SDXL, 2_567_463_684],
])('%s has its published number of parameters', (_, json, parameters) => {
  expect(countParameters(unetConfigFromDiffusers(json))).toBe(parameters);
});

test("Stable Diffusion 1.5 and LDM's text-to-image model are the same network at another context", () => {
  const { imageSize: _, legacy: __, ...text } = presets['ldm-coco'];
  const config = unetConfigFromDiffusers({ ...SD_15, cross_attention_dim: 1280 });
  const { imageSize: ___, ...rest } = config;
  expect({ ...rest, attentionResolutions: [...config.attentionResolutions].sort() }).toEqual({
    ...withoutContextLength(text),
    transformerDepth: undefined,
    attentionResolutions: [1, 2, 4],
  });
  expect(countMacs(config, { size: 32 })).toBe(countMacs(presets['ldm-coco']));
});

function withoutContextLength({ contextLength: _, ...config }: Partial<UNetConfig>): Partial<UNetConfig> {
  return config;
}

describe('the inverse', () => {
  const published = { DDPM_CIFAR10, DDPM_CELEBAHQ, SD_15, SD_21, SDXL };
  const jsons: [string, Readonly<Record<string, unknown>>][] = [
    ...Object.entries(published),
    ...DIFFUSERS_GOLDENS.map((name): [string, Readonly<Record<string, unknown>>] => [name, diffusersGolden(name).json]),
    ...DIFFUSERS_VARIANTS.map((name): [string, Readonly<Record<string, unknown>>] => [
      name,
      diffusersVariant(name).json,
    ]),
  ];

  test.each(jsons)('%s comes back, and what was written has the same fields', (name, json) => {
    const config = unetConfigFromDiffusers(json);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
    const written = JSON.parse(JSON.stringify(unetConfigToDiffusers(config))) as Record<string, unknown>;
    expect(unetConfigFromDiffusers(written)).toEqual(config);
    const { _diffusers_version: _v, ...fields } = json;
    const implied = ['addition_embed_type_num_heads', 'dual_cross_attention', 'num_class_embeds', 'upcast_attention'];
    for (const [field, value] of Object.entries(fields)) {
      // the last up block has no upsampler: its kind says the same either way
      if (name === 'resnet' && field === 'up_block_types') continue;
      if (!implied.includes(field)) expect(written[field], field).toEqual(value);
    }
  });

  test.each(['ldm-ffhq', 'lite-ffhq', 'ldm-imagenet', 'lite-imagenet', 'ldm-coco', 'lite-coco'] as const)(
    '%s is a diffusers model of the same size',
    (name) => {
      const { contextLength = 77 } = presets[name];
      const config = unetConfigFromDiffusers(unetConfigToDiffusers(presets[name]));
      expect(countParameters(config)).toBe(countParameters(presets[name]));
      expect(countMacs(config, { contextLength })).toBe(countMacs(presets[name]));
    },
  );

  test('refuses what diffusers cannot express', () => {
    const refused = (config: UNetConfig) => expect(() => unetConfigToDiffusers(config));
    refused(presets['sd-ffhq']).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: resample must be 'conv': diffusers has no wavelet-gated modules, got "wavelet"]`,
    );
    refused(presets['ldm-lsun-church']).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: numHeads must be such that all heads are of one width, as in a UNet2DModel, got 8]`,
    );
    refused({ ...presets['ldm-coco'], resblockUpdown: true }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: resblockUpdown must be false for levels with attention of a UNet2DConditionModel, got true]`,
    );
    refused({ ...presets['ldm-coco'], middleBlock: 'plain' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: middleBlock must be 'attention' or 'none' in a UNet2DConditionModel, got "plain"]`,
    );
    refused({ ...presets['ldm-ffhq'], numResBlocks: [1, 2, 2, 2] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: numResBlocks must be the same for all levels of a UNet2DModel, got [1, 2, 2, 2]]`,
    );
    refused({ ...presets['ldm-ffhq'], timeConditionDim: 4 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: timeConditionDim must be left out in a UNet2DModel, got 4]`,
    );
    refused({ ...presets['ldm-ffhq'], middleAttentionGroups: 'none' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: middleAttentionGroups must be a number, or 'none' with useScaleShiftNorm, got "none"]`,
    );
    refused({
      ...presets['ldm-ffhq'],
      classEmbedding: 'projection',
      classEmbeddingDim: 4,
    }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: classEmbedding must be 'none', 'index', 'timestep' or 'identity' in a UNet2DModel, got "projection"]`,
    );
    refused({
      ...presets['ldm-ffhq'],
      normGroups: undefined,
      modelChannels: 48,
      numHeadChannels: 48,
    }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: normGroups must be the same for all widths, got [12, 32, 24, 28, 30]]`,
    );
    const updown = { down: [true, false, false, false], up: [false, false, false, false] };
    refused({ ...presets['ldm-ffhq'], resblockUpdown: updown }).not.toThrow();
    const mixed = { down: [true, true, false, false], up: [false, false, true, true] };
    refused({
      ...presets['ldm-ffhq'],
      attentionResolutions: [2, 4],
      resblockUpdown: mixed,
    }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigToDiffusers: resblockUpdown must be the same for all levels with attention, got {"down":[true,true,false,false],"up":[false,false,true,true]}]`,
    );
  });
});

describe('refuses', () => {
  const refused = (json: Record<string, unknown>) => expect(() => unetConfigFromDiffusers(json));

  test('what is no UNet of these, or no field of it', () => {
    refused({ ...SD_15, _class_name: 'UNet3DConditionModel' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: _class_name must be UNet2DModel or UNet2DConditionModel, got "UNet3DConditionModel"]`,
    );
    refused({ ...SD_15, model_channels: 320 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: field must be one of diffusers' UNet2DConditionModel, got "model_channels"]`,
    );
    refused({ ...DDPM_CIFAR10, cross_attention_dim: 4 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: field must be one of diffusers' UNet2DModel, got "cross_attention_dim"]`,
    );
    refused({ ...SD_15, sample_size: null }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: sample_size must be given, or the option imageSize, got null]`,
    );
    refused({ ...SD_15, sample_size: [64, 96] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: sample_size must be one size, or the same twice, got [64, 96]]`,
    );
    expect(unetConfigFromDiffusers({ ...SD_15, sample_size: null }, { imageSize: 32 }).imageSize).toBe(32);
    expect(unetConfigFromDiffusers({ ...SD_15, sample_size: [64, 64] }).imageSize).toBe(64);
  });

  test('what would be another network, with the field, the value and what is supported', () => {
    const other: Record<string, unknown> = {
      act_fn: 'gelu',
      time_embedding_type: 'fourier',
      mid_block_type: 'UNetMidBlock2DSimpleCrossAttn',
      num_attention_heads: 8,
      encoder_hid_dim: 1024,
      addition_embed_type: 'image',
      class_embed_type: 'simple_projection',
      resnet_time_scale_shift: 'ada_group',
      conv_in_kernel: 1,
      cross_attention_norm: 'layer_norm',
      cross_attention_dim: [768, 1024, 768, 768],
      transformer_layers_per_block: [
        [1, 1],
        [1, 1],
        [1, 1],
        [1, 1],
      ],
      reverse_transformer_layers_per_block: [[1], [1]],
      only_cross_attention: [true],
      down_block_types: ['KDownBlock2D', 'DownBlock2D', 'DownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
      block_out_channels: [320, 640],
      norm_num_groups: null,
      attention_head_dim: 7,
    };
    const messages = Object.entries(other).map(([field, value]) => {
      try {
        return `${field}: ${JSON.stringify(resolveUNetConfig(unetConfigFromDiffusers({ ...SD_15, [field]: value })))}`;
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(messages).toMatchInlineSnapshot(`
      [
        "unetConfigFromDiffusers: act_fn must be silu or swish, got "gelu"",
        "unetConfigFromDiffusers: time_embedding_type must be positional, got "fourier"",
        "unetConfigFromDiffusers: mid_block_type must be UNetMidBlock2DCrossAttn or null, got "UNetMidBlock2DSimpleCrossAttn"",
        "unetConfigFromDiffusers: num_attention_heads must be null, got 8",
        "unetConfigFromDiffusers: encoder_hid_dim must be null, got 1024",
        "unetConfigFromDiffusers: addition_embed_type must be text_time or null, got "image"",
        "unetConfigFromDiffusers: class_embed_type must be null or timestep or identity or projection, got "simple_projection"",
        "unetConfigFromDiffusers: resnet_time_scale_shift must be default or scale_shift, got "ada_group"",
        "unetConfigFromDiffusers: conv_in_kernel must be 3, got 1",
        "unetConfigFromDiffusers: cross_attention_norm must be null, got "layer_norm"",
        "unetConfigFromDiffusers: cross_attention_dim must be one width for all blocks, got [768, 1024, 768, 768]",
        "unetConfigFromDiffusers: transformer_layers_per_block must be one number, or one for each block, got [[1, 1], [1, 1], [1, 1], [1, 1]]",
        "unetConfigFromDiffusers: reverse_transformer_layers_per_block must be null, got [[1], [1]]",
        "UNetConfig: onlyCrossAttention must be one value, or one for each of 4 levels, got [true]",
        "unetConfigFromDiffusers: down_block_types must be DownBlock2D or ResnetDownsampleBlock2D or CrossAttnDownBlock2D, got "KDownBlock2D"",
        "unetConfigFromDiffusers: up_block_types must be as many and of the same kinds as down_block_types, from the last to the first, got ["UpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]",
        "unetConfigFromDiffusers: block_out_channels must be one width for each of 4 blocks, got [320, 640]",
        "unetConfigFromDiffusers: norm_num_groups must be an integer >= 1, got null",
        "attention_head_dim: {"useSpatialTransformer":true,"transformerDepth":1,"contextLength":77,"useLinearProjection":false,"onlyCrossAttention":false,"middleBlock":"attention","middleScale":1,"flipSinToCos":true,"freqShift":0,"centerInput":false,"useScaleShiftNorm":false,"resblockUpdown":false,"downsamplePadding":1,"dropout":0,"legacy":true,"normEps":0.00001,"resample":"conv","classEmbedding":"none","timeEmbeddingDim":1280,"imageSize":64,"inChannels":4,"outChannels":4,"modelChannels":320,"channelMult":[1,2,4,4],"numResBlocks":2,"attentionResolutions":[1,2,4],"numHeads":7,"contextDim":768,"normGroups":32,"wavelet":{"fuse":"conv","gate":"channel","gateHidden":4,"wavelet":"haar"}}",
      ]
    `);
    refused({ ...DDPM_CIFAR10, downsample_type: 'fir' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: downsample_type must be conv or resnet, got "fir"]`,
    );
    refused({ ...DDPM_CIFAR10, mid_block_type: 'UNetMidBlock2DCrossAttn' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: mid_block_type must be UNetMidBlock2D or null, got "UNetMidBlock2DCrossAttn"]`,
    );
    refused({ ...DDPM_CIFAR10, class_embed_type: 'projection' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: class_embed_type must be null or timestep or identity, got "projection"]`,
    );
    refused({ ...SDXL, num_class_embeds: 3 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: addition_embed_type must be null with a class embedding, got "text_time"]`,
    );
    refused({ ...SDXL, addition_time_embed_dim: null }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: unetConfigFromDiffusers: addition_time_embed_dim must be an integer >= 1, got null]`,
    );
  });
});
