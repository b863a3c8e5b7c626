import { createAutoencoder, presets as stagePresets } from '@sd/autoencoder';
import { useBackend } from '@sd/backend';
import { writeSafetensors } from '@sd/checkpoint';
import { normal, randomKey } from '@sd/core';
import { withPrefix } from '@sd/nn';
import { expectTensors } from '@sd/testing';
import { UNet, type UNetConfig } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { droppedModel } from './dropped-model';
import type { DeviceLimits } from './limits';
import { DIFFUSION_FORMAT, FIRST_STAGE_FORMAT } from './own-files';
import { decode, denoiser, type FirstStage, type Pipeline } from './pipeline';

const STAGE = stagePresets['tiny-kl-f4']; // latents of 8 channels
const UNET: UNetConfig = {
  imageSize: 4,
  inChannels: 8,
  outChannels: 8,
  modelChannels: 8,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [],
  numHeads: 1,
  normGroups: 4,
};
const SCHEDULER = { _class_name: 'DDIMScheduler', prediction_type: 'v_prediction', clip_sample: false };
const ROOMY: DeviceLimits = { tensor: { name: 'maxBufferSize', bytes: 1e9 }, total: null };

const CHOICE = { label: 0, prompt: '', negative: '', guidance: 2 };

const noBundled = (): Promise<FirstStage> => Promise.resolve(stage(createAutoencoder(STAGE).initialize(randomKey(1))));
const stage = (network: FirstStage['network']): FirstStage => ({ network, scale: 1, shift: 0 });

const text = (name: string, value: unknown) => new File([JSON.stringify(value)], name);
const weights = (name: string, bytes: Uint8Array) => new File([new Uint8Array(bytes)], name);
const ours = async (config = UNET, condition?: { kind: string; classes: number; classNames?: string[] }) =>
  weights(
    'model.safetensors',
    writeSafetensors(await new UNet(config).stateDict({ prefix: 'model.diffusion_model.' }), {
      format: DIFFUSION_FORMAT,
      config: JSON.stringify({ unet: config, scheduler: SCHEDULER, scaleFactor: 2, condition }),
    }),
  );
const ourStage = async () => {
  const state = withPrefix(await createAutoencoder(STAGE).stateDict(), 'first_stage_model.');
  const metadata = { format: FIRST_STAGE_FORMAT, config: JSON.stringify(STAGE) };
  return weights('stage.safetensors', writeSafetensors(state, metadata));
};

beforeAll(async () => {
  await useBackend('wasm');
});

let loaded: Pipeline | undefined;
afterEach(() => {
  loaded?.unet.dispose();
  loaded?.firstStage?.network.dispose();
  loaded = undefined;
});

async function dropped(files: readonly File[], limits = ROOMY): Promise<Pipeline> {
  const alone = files.map((file) => ({ path: file.name, file }));
  loaded = await droppedModel(alone, noBundled, limits);
  return loaded;
}

/** One step and a picture, without a leak. */
async function drawn(pipeline: Pipeline, label = 0): Promise<number[]> {
  const { imageSize, inChannels } = pipeline.unet.config;
  const x = normal(randomKey(2), [2, imageSize, imageSize, inChannels]) as Tensor4D;
  tf.dispose(decode(pipeline, x)); // parameters take their memory at the first use
  const { predict, dispose } = denoiser(pipeline, { ...CHOICE, label });
  const image = await expectTensors(1, () => tf.tidy(() => decode(pipeline, predict(x, 10))));
  dispose();
  const { shape } = image;
  tf.dispose([x, image]);
  return shape;
}

test('weights and first stage of the command', async () => {
  const pipeline = await dropped([await ourStage(), await ours()]);
  expect(pipeline.scheduler.predictionType).toBe('v_prediction');
  expect(pipeline.firstStage?.scale).toBe(2);
  expect(await drawn(pipeline)).toEqual([2, 16, 16, 3]);
});

test('the bundled first stage serves models of its latents', async () => {
  const pipeline = await dropped([await ours()]);
  expect(pipeline.notes).toEqual(['Its latents are decoded by the bundled first stage.']);
  expect(pipeline.firstStage?.scale).toBe(2);
});

test('a checkpoint of latent-diffusion with its yaml, the first stage inside', async () => {
  const stageParams = {
    embed_dim: 4,
    ddconfig: {
      double_z: true,
      z_channels: 4,
      resolution: 16,
      in_channels: 3,
      out_ch: 3,
      ch: 32,
      ch_mult: [1, 2],
      num_res_blocks: 1,
      attn_resolutions: [],
      dropout: 0,
    },
  };
  const { autoencoderFromLdm } = await import('@sd/autoencoder');
  const yaml = `model:
  params:
    linear_start: 0.001
    linear_end: 0.02
    timesteps: 500
    scale_factor: 0.5
    unet_config:
      params: { image_size: 4, in_channels: 4, out_channels: 4, model_channels: 32, channel_mult: [1, 2],
        num_res_blocks: 1, attention_resolutions: [], num_heads: 1 }
    first_stage_config:
      params: ${JSON.stringify(stageParams)}
`;
  const state = new Map([
    ...(await new UNet({ ...UNET, inChannels: 4, outChannels: 4, modelChannels: 32, normGroups: 32 }).stateDict({
      prefix: 'model.diffusion_model.',
    })),
    ...withPrefix(await autoencoderFromLdm(stageParams).stateDict(), 'first_stage_model.'),
  ]);
  const pipeline = await dropped([weights('ldm.safetensors', writeSafetensors(state)), new File([yaml], 'ldm.yaml')]);
  expect(pipeline.scheduler.alphasCumprod.length).toBe(500);
  expect(pipeline.scheduler.config).toMatchObject({ beta_schedule: 'scaled_linear', beta_start: 0.001 });
  expect(pipeline.firstStage?.scale).toBe(0.5);
  expect(await drawn(pipeline)).toEqual([2, 8, 8, 3]);
});

test('a pixel model of diffusers with its configurations', async () => {
  const { unetConfigFromDiffusers } = await import('@sd/unet');
  const config = {
    _class_name: 'UNet2DModel',
    sample_size: 8,
    in_channels: 3,
    out_channels: 3,
    block_out_channels: [32, 64],
    down_block_types: ['DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D'],
    layers_per_block: 1,
  };
  const state = await new UNet(unetConfigFromDiffusers(config)).stateDict({ layout: 'diffusers' });
  const pipeline = await dropped([
    weights('diffusion_pytorch_model.safetensors', writeSafetensors(state)),
    text('config.json', config),
    text('scheduler_config.json', { _class_name: 'EulerDiscreteScheduler' }),
  ]);
  expect(pipeline.firstStage).toBeNull();
  expect(pipeline.scheduler.className).toBe('EulerDiscreteScheduler');
  expect(await drawn(pipeline)).toEqual([2, 8, 8, 3]);
});

test('labels are offered, and checked', async () => {
  const pipeline = await dropped([await ours({ ...UNET, numClasses: 3 })]);
  expect(pipeline.condition).toEqual({ kind: 'labels', count: 3, none: null, names: [] });
  expect(await drawn(pipeline, 2)).toEqual([2, 16, 16, 3]);
  expect(() => denoiser(pipeline, { ...CHOICE, label: 3 })).toThrowErrorMatchingInlineSnapshot(
    `[UserError: class: the model has 0 to 2, not 3]`,
  );
});

test('models of the command that know a null class can be guided', async () => {
  const pipeline = await dropped([
    await ours({ ...UNET, numClasses: 3 }, { kind: 'class', classes: 2, classNames: ['odd', 'even'] }),
  ]);
  expect(pipeline.condition).toEqual({ kind: 'labels', count: 2, none: 2, names: ['odd', 'even'] });
  expect(await drawn(pipeline, 1)).toEqual([2, 16, 16, 3]);
});

describe('refused', () => {
  const refusal = (files: readonly File[], limits = ROOMY) =>
    dropped(files, limits).then(
      () => 'taken',
      (error: Error) => `${error.name}: ${error.message}`,
    );

  test('files of other kinds, broken ones, and what is missing', async () => {
    const header = (json: string) => {
      const bytes = new Uint8Array(8 + json.length);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
      bytes.set(new TextEncoder().encode(json), 8);
      return weights('bad.safetensors', bytes);
    };
    const huge = new Uint8Array(16);
    new DataView(huge.buffer).setBigUint64(0, 2n ** 60n, true);
    expect(await refusal([new File(['x'], 'notes.txt')])).toMatchInlineSnapshot(
      `"UserError: notes.txt: neither weights nor a configuration"`,
    );
    expect(await refusal([text('config.json', {})])).toMatchInlineSnapshot(
      `"UserError: drop weights too: .safetensors, or .ckpt, .pt, .pth or .bin of PyTorch"`,
    );
    expect(await refusal([weights('bad.safetensors', Uint8Array.of(1, 2, 3))])).toMatchInlineSnapshot(
      `"UserError: bad.safetensors: openSafetensors: file must be at least 8 bytes, got 3"`,
    );
    expect(await refusal([weights('bad.safetensors', huge)])).toMatchInlineSnapshot(
      `"UserError: bad.safetensors: openSafetensors: header length must be at most 100000000 bytes, got 1152921504606846976"`,
    );
    expect(await refusal([header('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}')])).toMatchInlineSnapshot(
      `"UserError: bad.safetensors: openSafetensors: tensor "a" data_offsets must be within the 0 bytes after the header, got [0, 36]"`,
    );
    expect(await refusal([weights('bad.ckpt', Uint8Array.of(0x80, 2, 0x63, 0x6f, 0x73))])).toMatchInlineSnapshot(
      `"UserError: bad.ckpt: openTorch: file must be of torch.save, a zip archive or its legacy pickles, got one that begins with 80 02 63 6f 73"`,
    );
    expect(await refusal([await ours(), new File(['{'], 'config.json')])).toMatch(/^UserError: config\.json: .*JSON/);
    expect(await refusal([await ours(), new File(['a: ['], 'config.yaml')])).toMatchInlineSnapshot(`
      "UserError: config.yaml: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 5:

      a: [
          ^
      "
    `);
    expect(await refusal([await ourStage()])).toMatchInlineSnapshot(
      `"UserError: stage.safetensors: no denoiser that fits; drop its config.json (diffusers) or .yaml file (latent-diffusion) with it"`,
    );
    expect(await refusal([await ours({ ...UNET, inChannels: 4, outChannels: 4 })])).toMatchInlineSnapshot(
      `"UserError: model.safetensors works on latents of 4 channels: drop its first stage with it"`,
    );
  });

  test('values that are no numbers', async () => {
    const state = await new UNet(UNET).stateDict();
    const first = [...state.values()][0];
    new Float32Array(first.data.buffer, first.data.byteOffset, 1)[0] = Number.NaN;
    const metadata = {
      format: DIFFUSION_FORMAT,
      config: JSON.stringify({ unet: UNET, scheduler: SCHEDULER, scaleFactor: 1 }),
    };
    expect(await refusal([weights('nan.safetensors', writeSafetensors(state, metadata))])).toMatchInlineSnapshot(`
      "UserError: nan.safetensors: UNet.loadStateDict: the state dict has values that are not finite (pass { allowNonFinite: true } to load it all the same)
        1 with values that are not finite: time_embed.0.weight"
    `);
  });

  test('a model too large for the device, with the limit named', async () => {
    const small = { name: 'maxStorageBufferBindingSize', bytes: 4000 };
    expect(await refusal([await ours()], { tensor: small, total: null })).toMatchInlineSnapshot(
      `"UserError: model.safetensors: its time_embed.2.weight needs 4.1 kB, more than maxStorageBufferBindingSize (4.0 kB)"`,
    );
    expect(
      await refusal([await ours()], { tensor: ROOMY.tensor, total: { name: 'the memory', bytes: 10_000 } }),
    ).toMatchInlineSnapshot(`"UserError: model.safetensors needs 170.5 kB, more than the memory (10.0 kB)"`);
  });

  test('text conditions', async () => {
    const config: UNetConfig = {
      ...UNET,
      useSpatialTransformer: true,
      contextDim: 16,
      attentionResolutions: [2],
      numHeads: 1,
    };
    expect(await refusal([await ours(config)])).toMatchInlineSnapshot(
      `"UserError: model.safetensors draws prompts: drop its text encoder with it, a folder with config.json, model.safetensors, vocab.json and merges.txt, as CLIP's, or the whole folder of diffusers"`,
    );
  });
});
