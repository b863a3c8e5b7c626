import { expect, test } from 'vitest';
import { countParameters } from './counts';
import { unetConfigFromLdm, unetConfigToLdm } from './ldm-config';
import { presets } from './presets';

test('reads the yaml of LDM FFHQ', () => {
  const config = unetConfigFromLdm({
    image_size: 64,
    in_channels: 3,
    out_channels: 3,
    model_channels: 224,
    attention_resolutions: [8, 4, 2],
    num_res_blocks: 2,
    channel_mult: [1, 2, 3, 4],
    num_head_channels: 32,
  });
  expect(config).toEqual(presets['ldm-ffhq']);
});

test('reads the yaml of the text-to-image model', () => {
  const config = unetConfigFromLdm({
    image_size: 32,
    in_channels: 4,
    out_channels: 4,
    model_channels: 320,
    attention_resolutions: [4, 2, 1],
    num_res_blocks: 2,
    channel_mult: [1, 2, 4, 4],
    num_heads: 8,
    use_spatial_transformer: true,
    transformer_depth: 1,
    context_dim: 1280,
    use_checkpoint: true,
    legacy: false,
  });
  const { contextLength: _, ...expected } = presets['ldm-coco'];
  expect(config).toEqual(expected);
});

const params = {
  image_size: 8,
  in_channels: 3,
  out_channels: 3,
  model_channels: 32,
  attention_resolutions: [16, 2],
  num_res_blocks: 1,
  channel_mult: [1, 2],
  num_heads: 4,
  num_head_channels: -1,
  context_dim: null,
  num_classes: null,
};

test('-1 and null mean none, and factors that no level has are passed over, as LDM does', () => {
  expect(unetConfigFromLdm(params)).toEqual({
    imageSize: 8,
    inChannels: 3,
    outChannels: 3,
    modelChannels: 32,
    attentionResolutions: [2],
    numResBlocks: 1,
    channelMult: [1, 2],
    numHeads: 4,
    normGroups: 32,
  });
});

test("channel_mult has LDM's default", () => {
  const { channel_mult: _, ...rest } = params;
  expect(unetConfigFromLdm(rest).channelMult).toEqual([1, 2, 4, 8]);
});

test('refuses what is missing, unknown or another network', () => {
  const refused = (change: Record<string, unknown>) => expect(() => unetConfigFromLdm({ ...params, ...change }));
  const { num_res_blocks: _, ...withoutBlocks } = params;
  expect(() => unetConfigFromLdm(withoutBlocks)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigFromLdm: num_res_blocks must be given, got undefined]`,
  );
  refused({ attention_resolutions: undefined }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigFromLdm: attention_resolutions must be a list of integers, got undefined]`,
  );
  refused({ channel_mult: '1,2' }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigFromLdm: channel_mult must be a list of integers, got "1,2"]`,
  );
  refused({ sample_size: 8 }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigFromLdm: parameter must be one of LDM's UNetModel, got "sample_size"]`,
  );
  refused({ dims: 1 }).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: unetConfigFromLdm: dims must be 2, got 1]`);
  refused({ conv_resample: false }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigFromLdm: conv_resample must be true, got false]`,
  );
});

test.each(['ldm-ffhq', 'lite-ffhq', 'ldm-lsun-church', 'ldm-imagenet', 'ldm-coco', 'lite-coco'] as const)(
  '%s comes back from the yaml that is written for it',
  (name) => {
    const { contextLength: _, transformerDepth: __, ...expected } = presets[name];
    const written = JSON.parse(JSON.stringify(unetConfigToLdm(presets[name]))) as Record<string, unknown>;
    const { transformerDepth = 1, ...config } = unetConfigFromLdm(written);
    expect(config).toEqual(expected);
    expect(transformerDepth).toBe(1);
  },
);

test("what LDM's successors have added is read and written: Stable Diffusion 2 and its unclip", () => {
  const params = {
    image_size: 32,
    in_channels: 4,
    out_channels: 4,
    model_channels: 320,
    attention_resolutions: [4, 2, 1],
    num_res_blocks: 2,
    channel_mult: [1, 2, 4, 4],
    num_head_channels: 64,
    use_spatial_transformer: true,
    use_linear_in_transformer: true,
    transformer_depth: 1,
    context_dim: 1024,
    legacy: false,
  };
  const config = unetConfigFromLdm(params);
  expect(countParameters(config)).toBe(865_910_724);
  expect(unetConfigFromLdm(unetConfigToLdm(config))).toEqual({ ...config, transformerDepth: undefined });
  const unclip = unetConfigFromLdm({ ...params, num_classes: 'sequential', adm_in_channels: 1536 });
  expect(unclip).toMatchObject({ classEmbedding: 'projection', classEmbeddingDim: 1536 });
  expect(unetConfigToLdm(unclip)).toMatchObject({ num_classes: 'sequential', adm_in_channels: 1536 });
  const crossOnly = { ...config, onlyCrossAttention: true };
  expect(unetConfigToLdm(crossOnly)).toMatchObject({ disable_self_attentions: [true, true, true, true] });
});

test('the inverse refuses what LDM does not have', () => {
  const refused = (change: object) => expect(() => unetConfigToLdm({ ...presets['ldm-ffhq'], ...change }));
  refused({ resample: 'wavelet' }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigToLdm: resample must be conv, as in LDM, got "wavelet"]`,
  );
  refused({ normGroups: undefined }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigToLdm: normGroups must be 32, as in LDM, got undefined]`,
  );
  refused({ middleBlock: 'none' }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigToLdm: middleBlock must be attention, as in LDM, got "none"]`,
  );
  refused({ numHeads: [1, 2, 3, 4] }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigToLdm: numHeads must be one number for all levels, got [1, 2, 3, 4]]`,
  );
  refused({ timeEmbeddingDim: 32 }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigToLdm: timeEmbeddingDim must be 4 modelChannels, 896, got 32]`,
  );
  refused({ classEmbedding: 'timestep' }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigToLdm: classEmbedding must be 'none', 'index' or 'projection', got "timestep"]`,
  );
  const none = [false, false, false, false];
  refused({ resblockUpdown: { down: none, up: none } }).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: unetConfigToLdm: resblockUpdown must be true or false for all levels, got {"down":[false,false,false,false],"up":[false,false,false,false]}]`,
  );
});
