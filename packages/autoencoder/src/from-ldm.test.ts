import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import {
  autoencoderConfigFromLdm,
  autoencoderConfigToLdm,
  autoencoderFromLdm,
  type LdmAutoencoderParams,
} from './from-ldm';
import { presets } from './presets';
import { VQModel } from './vq-model';

// models/first_stage_models/vq-f4/config.yaml and kl-f8/config.yaml of CompVis/latent-diffusion
const vqF4: LdmAutoencoderParams = {
  embed_dim: 3,
  n_embed: 8192,
  monitor: 'val/rec_loss',
  ddconfig: {
    double_z: false,
    z_channels: 3,
    resolution: 256,
    in_channels: 3,
    out_ch: 3,
    ch: 128,
    ch_mult: [1, 2, 4],
    num_res_blocks: 2,
    attn_resolutions: [],
    dropout: 0.0,
  },
  lossconfig: { target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator' },
};
const klF8: LdmAutoencoderParams = {
  monitor: 'val/rec_loss',
  embed_dim: 4,
  lossconfig: { target: 'ldm.modules.losses.LPIPSWithDiscriminator' },
  ddconfig: { ...vqF4.ddconfig, double_z: true, z_channels: 4, ch_mult: [1, 2, 4, 4] },
};

// what differs between models/first_stage_models/*/config.yaml
const yaml: Record<string, LdmAutoencoderParams> = {
  'vq-f4': vqF4,
  'vq-f4-noattn': { ...vqF4, ddconfig: { ...vqF4.ddconfig, attn_type: 'none' } },
  'vq-f8': vqF8(16384),
  'vq-f8-n256': vqF8(256),
  'vq-f16': {
    ...vqF4,
    embed_dim: 8,
    n_embed: 16384,
    ddconfig: { ...vqF4.ddconfig, z_channels: 8, ch_mult: [1, 1, 2, 2, 4], attn_resolutions: [16] },
  },
  'kl-f4': { ...klF8, embed_dim: 3, ddconfig: { ...klF8.ddconfig, z_channels: 3, ch_mult: [1, 2, 4] } },
  'kl-f8': klF8,
  'kl-f16': {
    ...klF8,
    embed_dim: 16,
    ddconfig: { ...klF8.ddconfig, z_channels: 16, ch_mult: [1, 1, 2, 2, 4], attn_resolutions: [16] },
  },
  'kl-f32': {
    ...klF8,
    embed_dim: 64,
    ddconfig: { ...klF8.ddconfig, z_channels: 64, ch_mult: [1, 1, 2, 2, 4, 4], attn_resolutions: [16, 8] },
  },
};

function vqF8(n_embed: number): LdmAutoencoderParams {
  const ddconfig = { ...vqF4.ddconfig, z_channels: 4, ch_mult: [1, 2, 2, 4], attn_resolutions: [32] };
  return { ...vqF4, embed_dim: 4, n_embed, ddconfig };
}

test.each(Object.entries(yaml))(
  'the published yaml file of %s gives the preset, and is written again',
  (name, params) => {
    const config = autoencoderConfigFromLdm(params);
    expect(config).toEqual(presets[name as keyof typeof presets]);
    expect(autoencoderFromLdm(params)).toBeInstanceOf(name.startsWith('kl') ? AutoencoderKL : VQModel);
    const { embed_dim, n_embed, ddconfig } = params;
    const written = { embed_dim, ...(n_embed ? { n_embed } : {}), ddconfig: { attn_type: 'vanilla', ...ddconfig } };
    expect(autoencoderConfigToLdm(config)).toEqual(written);
  },
);

test('what latent-diffusion has no network for is not written', () => {
  expect(() => autoencoderConfigToLdm(presets['tiny-kl-f4'])).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigToLdm: norm must be 'group', got "none"]`,
  );
  expect(() => autoencoderConfigToLdm({ ...presets['kl-f8'], normGroups: 16 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigToLdm: normGroups must be 32, got 16]`,
  );
  expect(() => autoencoderConfigToLdm({ ...presets['kl-f8'], quantConv: false })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigToLdm: quantConv must be true, got false]`,
  );
});

test('the codebook loss that is not legacy is read and written', () => {
  const config = autoencoderConfigFromLdm({ ...vqF4, legacy: false, beta: 0.5 });
  expect(config).toMatchObject({ legacyBeta: false, beta: 0.5 });
  expect(autoencoderConfigFromLdm(autoencoderConfigToLdm(config))).toEqual(config);
});

test('attention may be switched off, and settings may be spelled out with their only value', () => {
  const ddconfig = { ...vqF4.ddconfig, attn_type: 'none', resamp_with_conv: true, tanh_out: false };
  expect(autoencoderConfigFromLdm({ ...vqF4, ddconfig, remap: null }).attnType).toBe('none');
});

test('unknown and unsupported settings are refused by name', () => {
  const withDdconfig = (extra: object) => () =>
    autoencoderConfigFromLdm({ ...vqF4, ddconfig: { ...vqF4.ddconfig, ...extra } });
  expect(withDdconfig({ chmult: [1] })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigFromLdm: ddconfig.chmult must be absent (the setting is unknown), got [1]]`,
  );
  expect(withDdconfig({ tanh_out: true })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigFromLdm: ddconfig.tanh_out must be false or absent, got true]`,
  );
  expect(() => autoencoderConfigFromLdm({ ...vqF4, remap: 'used.npy' })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigFromLdm: remap must be null or absent, got "used.npy"]`,
  );
  expect(() => autoencoderConfigFromLdm({ ...vqF4, nembed: 1 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigFromLdm: nembed must be absent (the setting is unknown), got 1]`,
  );
  expect(() => autoencoderConfigFromLdm({ embed_dim: 3 } as LdmAutoencoderParams)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: autoencoderConfigFromLdm: ddconfig must be an object, got undefined]`,
  );
});

test('values that no first stage can have are refused', () => {
  const { ch: _, ...ddconfig } = vqF4.ddconfig;
  expect(() => autoencoderConfigFromLdm({ ...vqF4, ddconfig })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: AutoencoderConfig: ch must be an integer >= 1, got undefined]`,
  );
  expect(() => autoencoderConfigFromLdm({ ...klF8, n_embed: 16 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: AutoencoderConfig: doubleZ must be false for vq, got true]`,
  );
});
