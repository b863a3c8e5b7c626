import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import type { AutoencoderConfig } from './config';
import {
  autoencoderConfigFromDiffusers,
  autoencoderConfigToDiffusers,
  autoencoderFromDiffusers,
} from './from-diffusers';
import { presets } from './presets';
import { AutoencoderTiny } from './tiny/autoencoder-tiny';
import { tinyPresets } from './tiny/presets';

// vae/config.json of Stable Diffusion 1.5
const stableDiffusion = {
  _class_name: 'AutoencoderKL',
  _diffusers_version: '0.6.0',
  act_fn: 'silu',
  block_out_channels: [128, 256, 512, 512],
  down_block_types: Array(4).fill('DownEncoderBlock2D'),
  in_channels: 3,
  latent_channels: 4,
  layers_per_block: 2,
  norm_num_groups: 32,
  out_channels: 3,
  sample_size: 512,
  up_block_types: Array(4).fill('UpDecoderBlock2D'),
};
const flux = {
  ...stableDiffusion,
  latent_channels: 16,
  force_upcast: true,
  latents_mean: null,
  latents_std: null,
  mid_block_add_attention: true,
  sample_size: 1024,
  scaling_factor: 0.3611,
  shift_factor: 0.1159,
  use_post_quant_conv: false,
  use_quant_conv: false,
};

test("Stable Diffusion's first stage is kl-f8", () => {
  const config = autoencoderConfigFromDiffusers(stableDiffusion);
  expect(config).toEqual({ ...presets['kl-f8'], resolution: 512, scaleFactor: 0.18215 });
  expect(autoencoderFromDiffusers(stableDiffusion)).toBeInstanceOf(AutoencoderKL);
});

test('the first stage of FLUX.1 has no convolution around the latent, and a shift', () => {
  const model = autoencoderFromDiffusers(flux) as AutoencoderKL;
  expect(model.config).toMatchObject({ quantConv: false, scaleFactor: 0.3611, shiftFactor: 0.1159, embedDim: 16 });
  expect(model.parameterCount).toBe(83_819_683);
  expect([...model.parameters().keys()].some((name) => name.includes('quant'))).toBe(false);
});

test('every preset that diffusers has comes back from its config.json', () => {
  for (const [name, preset] of Object.entries({ ...presets, ...tinyPresets })) {
    if (/^(tiny|small)-/.test(name) || name === 'taef2') continue;
    const back = autoencoderConfigFromDiffusers(autoencoderConfigToDiffusers(preset));
    expect(back, name).toEqual(preset.kind === 'tiny' ? preset : { ...preset, scaleFactor: 0.18215 });
  }
  const json = autoencoderConfigToDiffusers(presets['vq-f8']);
  expect(json).toMatchInlineSnapshot(`
    {
      "_class_name": "VQModel",
      "act_fn": "silu",
      "block_out_channels": [
        128,
        256,
        256,
        512,
      ],
      "down_block_types": [
        "DownEncoderBlock2D",
        "DownEncoderBlock2D",
        "DownEncoderBlock2D",
        "AttnDownEncoderBlock2D",
      ],
      "in_channels": 3,
      "latent_channels": 4,
      "layers_per_block": 2,
      "mid_block_add_attention": true,
      "norm_num_groups": 32,
      "num_vq_embeddings": 16384,
      "out_channels": 3,
      "sample_size": 256,
      "up_block_types": [
        "AttnUpDecoderBlock2D",
        "UpDecoderBlock2D",
        "UpDecoderBlock2D",
        "UpDecoderBlock2D",
      ],
      "vq_embed_dim": 4,
    }
  `);
});

test('AutoencoderTiny has the defaults of diffusers', () => {
  expect(autoencoderConfigFromDiffusers({ _class_name: 'AutoencoderTiny' })).toEqual(tinyPresets.taesd);
  const taef1 = { _class_name: 'AutoencoderTiny', latent_channels: 16, scaling_factor: 1, shift_factor: 0 };
  expect(autoencoderFromDiffusers(taef1)).toBeInstanceOf(AutoencoderTiny);
  expect(autoencoderConfigFromDiffusers(taef1)).toEqual(tinyPresets.taef1);
});

test('each setting that is unknown, unsupported or wrong is refused by name', () => {
  const tiny = { _class_name: 'AutoencoderTiny' };
  const cases: object[] = [
    { _class_name: 'AutoencoderDC' },
    { ...stableDiffusion, latent_chanels: 4 },
    { ...stableDiffusion, act_fn: 'gelu' },
    { ...stableDiffusion, block_out_channels: [128, 192, 512, 512] },
    { ...stableDiffusion, block_out_channels: 128 },
    { ...stableDiffusion, down_block_types: ['DownEncoderBlock2D'] },
    { ...stableDiffusion, up_block_types: Array(4).fill('AttnUpDecoderBlock2D') },
    { ...stableDiffusion, norm_num_groups: 48 },
    { ...stableDiffusion, latent_channels: '4' },
    { ...flux, use_post_quant_conv: true },
    {
      ...stableDiffusion,
      down_block_types: Array(4).fill('AttnDownEncoderBlock2D'),
      up_block_types: Array(4).fill('AttnUpDecoderBlock2D'),
      mid_block_add_attention: false,
    },
    { ...tiny, encoder_block_out_channels: [64, 64, 64, 32] },
    { ...tiny, num_encoder_blocks: [1, 3, 3] },
    { ...tiny, upsampling_scaling_factor: 4 },
  ];
  expect(cases.map((json) => message(() => autoencoderConfigFromDiffusers({ ...json })))).toMatchInlineSnapshot(`
    [
      "ArgumentError: autoencoderConfigFromDiffusers: _class_name must be one of AutoencoderKL, VQModel, AutoencoderTiny, got "AutoencoderDC"",
      "ArgumentError: autoencoderConfigFromDiffusers: latent_chanels must be absent (the setting is unknown), got 4",
      "ArgumentError: autoencoderConfigFromDiffusers: act_fn must be silu or absent, got "gelu"",
      "ArgumentError: autoencoderConfigFromDiffusers: block_out_channels must be multiples of the first, got [128, 192, 512, 512]",
      "ArgumentError: autoencoderConfigFromDiffusers: block_out_channels must be a list of integers, got 128",
      "ArgumentError: autoencoderConfigFromDiffusers: down_block_types must be 4 of DownEncoderBlock2D, AttnDownEncoderBlock2D, got ["DownEncoderBlock2D"]",
      "ArgumentError: autoencoderConfigFromDiffusers: up_block_types must be attention at the levels of down_block_types, got ["AttnUpDecoderBlock2D", "AttnUpDecoderBlock2D", "AttnUpDecoderBlock2D", "AttnUpDecoderBlock2D"]",
      "ArgumentError: autoencoderConfigFromDiffusers: norm_num_groups must be a divisor of 128, got 48",
      "ArgumentError: AutoencoderConfig: zChannels must be an integer >= 1, got "4"",
      "ArgumentError: autoencoderConfigFromDiffusers: use_post_quant_conv must be false, as use_quant_conv, got true",
      "ArgumentError: autoencoderConfigFromDiffusers: mid_block_add_attention must be true where a level has attention, got false",
      "ArgumentError: autoencoderConfigFromDiffusers: encoder_block_out_channels must be all the same, as the strided convolutions ask, got [64, 64, 64, 32]",
      "ArgumentError: autoencoderConfigFromDiffusers: num_encoder_blocks must be 4 counts, got [1, 3, 3]",
      "ArgumentError: autoencoderConfigFromDiffusers: upsampling_scaling_factor must be 2 or absent, got 4",
    ]
  `);
});

test('what diffusers has no network for is not written', () => {
  const configs: AutoencoderConfig[] = [
    presets['tiny-kl-f4'],
    { ...presets['kl-f8'], embedDim: 3 },
    { ...presets['vq-f8'], legacyBeta: false },
    { ...presets['kl-f8'], normGroups: 48 },
  ];
  const messages = configs.map((config) => message(() => autoencoderConfigToDiffusers(config)));
  messages.push(message(() => autoencoderConfigToDiffusers(tinyPresets.taef2)));
  messages.push(message(() => autoencoderConfigToDiffusers({ ...tinyPresets.taesd, range: 'unit' })));
  expect(messages).toMatchInlineSnapshot(`
    [
      "ArgumentError: autoencoderConfigToDiffusers: norm must be 'group', got "none"",
      "ArgumentError: autoencoderConfigToDiffusers: embedDim must be 4, got 3",
      "ArgumentError: autoencoderConfigToDiffusers: beta must be 0.25, legacy, got 0.25",
      "ArgumentError: autoencoderConfigToDiffusers: normGroups must be a divisor of 128, got 48",
      "ArgumentError: autoencoderConfigToDiffusers: pool must be false, got true",
      "ArgumentError: autoencoderConfigToDiffusers: range must be 'signed', got "unit"",
    ]
  `);
});

function message(call: () => unknown): string {
  try {
    call();
    return 'no error';
  } catch (error) {
    return String(error);
  }
}
