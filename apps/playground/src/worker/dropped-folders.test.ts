import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { autoencoderFromLdm, createAutoencoder } from '@sd/autoencoder';
import { useBackend } from '@sd/backend';
import { readSafetensors, writeSafetensors } from '@sd/checkpoint';
import { normal, randomKey } from '@sd/core';
import { withPrefix } from '@sd/nn';
import { expectTensors } from '@sd/testing';
import { UNet } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { textEncoderIdentity } from '../../../trainer/src/conditions/text-encoder';
import { writeTinyTextEncoder } from '../../../trainer/src/conditions/tiny-text-encoder';
import { shake } from '../../../trainer/src/sampling/tiny-pipeline';
import type { DroppedFile } from '../dropped-file';
import {
  filesIn,
  splitInParts,
  TINY_SCHEDULER,
  TINY_STAGE,
  TINY_UNET,
  writeTinyTextPipeline,
} from '../testing/tiny-text-pipeline';
import { droppedModel } from './dropped-model';
import { DIFFUSION_FORMAT, FIRST_STAGE_FORMAT } from './own-files';
import { decode, denoiser, type FirstStage, type Pipeline } from './pipeline';

const ROOMY = { tensor: { name: 'maxBufferSize', bytes: 1e9 }, total: null };
const UNET_WEIGHTS = 'pipeline/unet/diffusion_pytorch_model.safetensors';

const noBundled = (): Promise<FirstStage> => Promise.reject(new Error('the bundled first stage was asked for'));

let folder: string;
beforeAll(async () => {
  await useBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'sd-folders-'));
  await writeTinyTextPipeline(join(folder, 'pipeline'));
  await writeTinyTextEncoder(join(folder, 'clip'));
});
afterAll(() => rm(folder, { recursive: true }));

let loaded: Pipeline | undefined;
function release(): void {
  loaded?.unet.dispose();
  loaded?.firstStage?.network.dispose();
  if (loaded?.condition.kind === 'text') loaded.condition.encoder.model.dispose();
  loaded = undefined;
}
afterEach(release);

async function dropped(files: readonly DroppedFile[]): Promise<Pipeline> {
  release();
  loaded = await droppedModel(files, noBundled, ROOMY);
  return loaded;
}

const refusal = (files: readonly DroppedFile[]) =>
  dropped(files).then(
    () => 'taken',
    (error: Error) => `${error.name}: ${error.message}`,
  );

const pipeline = () => filesIn(folder, 'pipeline');
const without = (files: readonly DroppedFile[], part: string) => files.filter(({ path }) => !path.includes(part));
const file = (path: string, content: string | Uint8Array) => ({
  path,
  file: new File([typeof content === 'string' ? content : new Uint8Array(content)], path),
});
const changed = async (files: readonly DroppedFile[], path: string, change: (json: object) => object) =>
  Promise.all(
    files.map(async (one) =>
      one.path === path ? file(path, JSON.stringify(change(JSON.parse(await one.file.text())))) : one,
    ),
  );

/** A step of what is chosen, without a leak. */
async function drawn(model: Pipeline, choice: { prompt?: string; negative?: string; guidance?: number }) {
  const { imageSize, inChannels } = model.unet.config;
  const x = normal(randomKey(2), [2, imageSize, imageSize, inChannels]) as Tensor4D;
  tf.dispose(decode(model, x)); // parameters take their memory at the first use
  const whole = { label: 0, prompt: '', negative: '', guidance: 2, ...choice };
  const image = await expectTensors(1, () => {
    const { predict, dispose } = denoiser(model, whole);
    const made = tf.tidy(() => decode(model, predict(x, 400)));
    dispose();
    return made;
  });
  const values = Array.from(await image.data());
  tf.dispose([x, image]);
  return values;
}

/** The command's own model of texts, with its first stage. */
async function ours(encoder: string): Promise<DroppedFile[]> {
  const unet = shake(new UNet(TINY_UNET));
  const stage = createAutoencoder(TINY_STAGE).initialize(randomKey(5));
  const condition = { kind: 'text', encoder, tokens: 8, width: 24 };
  const config = { unet: TINY_UNET, scheduler: TINY_SCHEDULER, scaleFactor: 0.5, condition };
  const files = [
    file(
      'model.safetensors',
      writeSafetensors(withPrefix(await unet.stateDict(), 'model.diffusion_model.'), {
        format: DIFFUSION_FORMAT,
        config: JSON.stringify(config),
      }),
    ),
    file(
      'first-stage.safetensors',
      writeSafetensors(withPrefix(await stage.stateDict(), 'first_stage_model.'), {
        format: FIRST_STAGE_FORMAT,
        config: JSON.stringify(TINY_STAGE),
      }),
    ),
  ];
  unet.dispose();
  stage.dispose();
  return files;
}

describe('models of prompts', () => {
  test('the folder of a pipeline: prompt, negative prompt and guidance each count', async () => {
    const model = await dropped(await pipeline());
    expect(model.scheduler.predictionType).toBe('v_prediction');
    expect([model.firstStage?.scale, model.notes]).toEqual([0.5, []]);
    const cat = await drawn(model, { prompt: 'cat' });
    expect(cat).toEqual(await drawn(model, { prompt: ' CAT' }));
    expect(cat).not.toEqual(await drawn(model, { prompt: 'cat cat' }));
    expect(cat).not.toEqual(await drawn(model, { prompt: 'cat', negative: 'cat cat' }));
    expect(cat).not.toEqual(await drawn(model, { prompt: 'cat', guidance: 3 }));
    const plain = await drawn(model, { prompt: 'cat', guidance: 1 });
    expect(plain).toEqual(await drawn(model, { prompt: 'cat', negative: 'cat cat', guidance: 1 }));
  });

  test('weights of the command with the folder of their text encoder; another one is refused', async () => {
    const clip = await filesIn(folder, 'clip');
    const reference = await drawn(await dropped(await pipeline()), { prompt: 'cat' });
    const identity = await textEncoderIdentity(join(folder, 'clip'));
    const model = await dropped([...(await ours(identity)), ...clip]);
    const own = await drawn(model, { prompt: 'cat' });
    expect(Math.max(...own.map((value, i) => Math.abs(value - reference[i])))).toBeLessThan(1e-5);

    expect(await refusal([...(await ours(`00${identity.slice(2)}`)), ...clip])).toMatch(
      /^UserError: clip\/model\.safetensors is another text encoder than the model was trained with \(SHA-256 .{12}, not 00.{10}\)$/,
    );
    expect(await refusal(await ours(identity))).toMatchInlineSnapshot(
      `"UserError: model.safetensors draws prompts: drop its text encoder with it, a folder with config.json, model.safetensors, vocab.json and merges.txt, as CLIP's, or the whole folder of diffusers"`,
    );
    expect(await refusal([...(await ours(identity)), ...without(clip, 'merges.txt')])).toMatchInlineSnapshot(
      `"UserError: clip/model.safetensors: its tokenizer is missing; drop vocab.json and merges.txt, or tokenizer.json, with it"`,
    );
    expect(await refusal([...(await ours('')), ...without(clip, 'config.json')])).toMatchInlineSnapshot(
      `"UserError: clip/model.safetensors: no text model that is known; drop its config.json with it"`,
    );
    const long = await changed(clip, 'clip/tokenizer_config.json', () => ({ model_max_length: 77 }));
    expect(await refusal([...(await ours('')), ...long])).toMatchInlineSnapshot(
      `"UserError: the tokenizer is not that of clip/model.safetensors: 7 tokens, 77 a text, where the model has 7 and 8"`,
    );
  });

  test('a checkpoint of latent-diffusion with the text encoder inside, beside the files of the tokenizer', async () => {
    const stageParams = {
      embed_dim: 4,
      ddconfig: { ...DDCONFIG, z_channels: 4, resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 2] },
    };
    const yaml = `model:
  params:
    linear_start: 0.00085
    linear_end: 0.012
    scale_factor: 0.5
    unet_config:
      params: { image_size: 8, in_channels: 4, out_channels: 4, model_channels: 32, channel_mult: [1, 2],
        num_res_blocks: 1, attention_resolutions: [2], num_heads: 2, use_spatial_transformer: true,
        transformer_depth: 1, context_dim: 24 }
    first_stage_config:
      params: ${JSON.stringify(stageParams)}
`;
    const unet = shake(new UNet({ ...TINY_UNET, modelChannels: 32, normGroups: 32 }));
    const stage = autoencoderFromLdm(stageParams).initialize(randomKey(5));
    const clip = (await filesIn(folder, 'clip')).map((one) => ({ ...one, path: one.path.slice('clip/'.length) }));
    const text = readSafetensors(new Uint8Array(await readFile(join(folder, 'clip', 'model.safetensors')))).tensors;
    const state = new Map([
      ...withPrefix(await unet.stateDict(), 'model.diffusion_model.'),
      ...withPrefix(text, 'cond_stage_model.transformer.'),
      ...withPrefix(await stage.stateDict(), 'first_stage_model.'),
    ]);
    unet.dispose();
    stage.dispose();
    const files = [
      file('whole.safetensors', writeSafetensors(state)),
      file('whole.yaml', yaml),
      ...without(clip, 'model.safetensors'),
    ];
    const model = await dropped(files);
    expect(await drawn(model, { prompt: 'cat' })).not.toEqual(await drawn(model, { prompt: '' }));
    expect(await refusal(without(files, 'vocab.json'))).toMatchInlineSnapshot(
      `"UserError: whole.safetensors: its tokenizer is missing; drop vocab.json and merges.txt, or tokenizer.json, with it"`,
    );
  });
});

const DDCONFIG = { double_z: true, num_res_blocks: 1, attn_resolutions: [], dropout: 0 };

test('loading says how far it is, and can be stopped without a trace', async () => {
  const files = await pipeline();
  const seen: string[] = [];
  const onProgress = (done: number, total: number) => void seen.push(`${done} of ${total} MB`);
  const whole = await droppedModel(files, noBundled, ROOMY, { onProgress });
  loaded = whole;
  expect(new Set(seen)).toEqual(new Set(['1 of 1 MB']));
  expect(seen.length).toBeGreaterThan(300); // a tensor each
  release();
  const controller = new AbortController();
  await expectTensors(0, async () => {
    let tensors = 0;
    const stop = () => void (++tensors === 250 && controller.abort(new Error('pressed'))); // in the first stage
    const loading = droppedModel(files, noBundled, ROOMY, { onProgress: stop, signal: controller.signal });
    await expect(loading).rejects.toThrow('pressed');
    expect(tensors).toBe(250);
  });
});

describe('parts', () => {
  test('of an index are one model, in a folder or by themselves', async () => {
    const reference = await drawn(await dropped(await pipeline()), { prompt: 'cat' });
    await cp(join(folder, 'pipeline'), join(folder, 'parts', 'pipeline'), { recursive: true });
    await splitInParts(join(folder, 'parts', UNET_WEIGHTS));
    await splitInParts(join(folder, 'parts', 'pipeline', 'text_encoder', 'model.safetensors'));
    const files = await filesIn(join(folder, 'parts'), 'pipeline');
    expect(files.filter(({ path }) => path.includes('-of-00002')).length).toBe(4);
    expect(await drawn(await dropped(files), { prompt: 'cat' })).toEqual(reference);

    expect(await refusal(without(files, 'model-00002-of-00002'))).toMatchInlineSnapshot(
      `"UserError: pipeline/unet/: openDiffusersFolder: file "diffusion_pytorch_model-00002-of-00002.safetensors" must be there, as the index has it, got none"`,
    );
    const unet = files.filter(({ path }) => path.startsWith('pipeline/unet/'));
    const alone = unet.map(({ path, file: one }) => ({ path: path.slice('pipeline/unet/'.length), file: one }));
    expect(await refusal(without(alone, '-00001-'))).toMatchInlineSnapshot(
      `"UserError: diffusion_pytorch_model.safetensors.index.json: its part diffusion_pytorch_model-00001-of-00002.safetensors is missing"`,
    );
    expect(await refusal(without(alone, 'index.json'))).toMatchInlineSnapshot(
      `"UserError: diffusion_pytorch_model-00001-of-00002.safetensors is a part of a model: drop all parts, and the index.json that names them"`,
    );
    expect(await refusal(alone)).toMatchInlineSnapshot(
      `"UserError: diffusion_pytorch_model.safetensors.index.json works on latents of 4 channels: drop its first stage with it"`,
    );
  });
});

describe('refused', () => {
  test('folders that are no model’s, and pipelines that are not whole', async () => {
    const whole = await pipeline();
    expect(await refusal([])).toMatchInlineSnapshot(`"UserError: the folder is empty"`);
    expect(await refusal([file('holidays/beach.jpg', 'x')])).toMatchInlineSnapshot(
      `"UserError: holidays is no folder of a model: it has neither model_index.json or config.json, as diffusers writes them, nor weights (.safetensors, or .ckpt, .pt, .pth or .bin of PyTorch)"`,
    );
    expect(await refusal(without(whole, 'pipeline/unet/'))).toMatchInlineSnapshot(
      `"UserError: pipeline/model_index.json says that there is a folder pipeline/unet/, and there is none"`,
    );
    expect(await refusal(without(whole, UNET_WEIGHTS))).toMatchInlineSnapshot(
      `"UserError: pipeline/unet/ has no weights (.safetensors, or .ckpt, .pt, .pth or .bin of PyTorch)"`,
    );
    expect(await refusal(without(whole, 'pipeline/vae/config.json'))).toMatchInlineSnapshot(
      `"UserError: pipeline/vae/diffusion_pytorch_model.safetensors: no first stage that fits; drop its config.json or .yaml file with it"`,
    );
    expect(
      await refusal([...whole, ...whole.map((one) => ({ ...one, path: `other/${one.path}` }))]),
    ).toMatchInlineSnapshot(
      `"UserError: pipeline/model_index.json and other/pipeline/model_index.json: drop one pipeline at a time"`,
    );
    expect(await refusal([...whole, ...whole])).toMatchInlineSnapshot(
      `"UserError: pipeline/model_index.json is there twice: drop the folders that they lie in"`,
    );
    const other = await changed(whole, 'pipeline/model_index.json', () => ({
      _class_name: 'FluxPipeline',
      transformer: ['diffusers', 'FluxTransformer2DModel'],
    }));
    expect(await refusal(other)).toMatchInlineSnapshot(
      `"UserError: pipeline/model_index.json: FluxPipeline has no unet, and the page samples no other"`,
    );
    expect(
      await refusal(
        await changed(whole, 'pipeline/text_encoder/config.json', (json) => ({ ...json, hidden_size: 48 })),
      ),
    ).toMatch(/^UserError: pipeline\/text_encoder\/model\.safetensors: ClipTextModel/);
    expect(
      await refusal(
        await changed(whole, 'pipeline/unet/config.json', (json) => ({ ...json, cross_attention_dim: 12 })),
      ),
    ).toMatch(/^UserError: pipeline\/unet\/diffusion_pytorch_model\.safetensors: UNet/);
  });
});
