import { expect, test } from 'vitest';
import { unetConfigFromLdm } from './ldm-config';
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
