import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { autoencoderConfigFromLdm, autoencoderFromLdm, type LdmAutoencoderParams } from './from-ldm';
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

test('the published yaml files give the presets', () => {
  expect(autoencoderConfigFromLdm(vqF4)).toEqual(presets['vq-f4']);
  expect(autoencoderConfigFromLdm(klF8)).toEqual(presets['kl-f8']);
  expect(autoencoderFromLdm(vqF4)).toBeInstanceOf(VQModel);
  expect(autoencoderFromLdm(klF8)).toBeInstanceOf(AutoencoderKL);
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
