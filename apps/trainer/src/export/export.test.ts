import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import {
  type AutoencoderConfig,
  AutoencoderTiny,
  type AutoencoderTinyConfig,
  autoencoderConfigFromLdm,
  autoencoderFromDiffusers,
  presets as autoencoders,
  createAutoencoder,
  type LdmAutoencoderParams,
  tinyPresets,
} from '@sd/autoencoder';
import { openDiffusersFolder, readSafetensors, toFloat32 } from '@sd/checkpoint';
import { normal, randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { describeBackends } from '@sd/testing';
import { UNet, type UNetConfig, unetConfigFromDiffusers, unetConfigFromLdm } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { decodeLatents } from '../data/latents';
import { schedulerConfig } from '../training/build-models';
import { tinyProject } from '../training/tiny-project';
import { UserError } from '../user-error';
import { exportDiffusers } from './export-diffusers';
import { type ExportedModel, exportLdm } from './export-ldm';
import { exportOnnx } from './export-onnx';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-export-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** As LDM and diffusers have it, but small. */
const unetConfig: UNetConfig = {
  imageSize: 8,
  inChannels: 4,
  outChannels: 4,
  modelChannels: 32,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
  numHeadChannels: 32,
  normGroups: 32,
};

const kl = {
  ...autoencoders['tiny-kl-f2'],
  ch: 32,
  resolution: 16,
  normGroups: 32,
  norm: 'group',
} as AutoencoderConfig;

function model(
  changes: Partial<UNetConfig> = {},
  autoencoderConfig: AutoencoderConfig | AutoencoderTinyConfig = kl,
): ExportedModel {
  const unet = new UNet({ ...unetConfig, ...changes }).initialize(randomKey(1));
  let i = 0;
  for (const parameter of unet.parameters().values()) {
    parameter.load(Float32Array.from({ length: parameter.size }, (_, k) => 0.1 * Math.sin(++i + k)));
  }
  return {
    unet,
    autoencoder:
      autoencoderConfig.kind === 'tiny'
        ? new AutoencoderTiny(autoencoderConfig).initialize(randomKey(2))
        : createAutoencoder(autoencoderConfig).initialize(randomKey(2)),
    metadata: { unet: unet.config, scheduler: schedulerConfig(tinyProject('out').diffusion), scaleFactor: 0.75 },
    precision: 'float32',
  };
}

const dispose = ({ unet, autoencoder }: ExportedModel) => {
  unet.dispose();
  autoencoder.dispose();
};

const x = () => normal(randomKey(3), [2, 8, 8, 4]) as Tensor4D;

async function expectSameUNet(a: UNet, b: UNet, tolerance: number) {
  const input = x();
  const [own, other] = [a.forward(input, [3, 700]), b.forward(input, [3, 700])];
  await expect(other).toBeAllclose(own, tolerance);
  tf.dispose([input, own, other]);
}

async function expectSameDecoder(a: ExportedModel['autoencoder'], b: ExportedModel['autoencoder'], tolerance: number) {
  const input = x();
  const [own, other] = [decodeLatents(a, input, 1), decodeLatents(b, input, 1)];
  await expect(other).toBeAllclose(own, tolerance);
  tf.dispose([input, own, other]);
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message;
}

describeBackends(['wasm'], () => {
  test("latent-diffusion's file and yaml make the same model again", async () => {
    const original = model();
    const out = join(folder, 'ldm');
    const { files, notes } = await exportLdm(out, original);
    expect(files.map((file) => relative(out, file))).toEqual(['model.safetensors', 'config.yaml']);
    expect(notes).toMatchInlineSnapshot(`
      [
        "v predictions: CompVis/latent-diffusion has none, Stability-AI/stablediffusion has",
      ]
    `);
    const { tensors } = readSafetensors(await readFile(files[0]));
    expect([...tensors.keys()]).toContain('model.diffusion_model.input_blocks.0.0.weight');
    expect([...tensors.keys()]).toContain('first_stage_model.decoder.conv_in.weight');
    expect(toFloat32(tensors.get('scale_factor') as never)[0]).toBe(0.75);
    const { params } = parse(await readFile(files[1], 'utf8')).model;
    expect(params).toMatchObject({
      linear_start: 0.0015,
      linear_end: 0.0195,
      beta_schedule: 'linear', // what diffusers calls scaled_linear
      parameterization: 'v',
      image_size: 8,
      channels: 4,
      scale_by_std: true,
      scale_factor: 0.75,
    });
    const unet = new UNet(unetConfigFromLdm(params.unet_config.params)).loadStateDict(tensors);
    await expectSameUNet(original.unet, unet, 1e-6);
    const { lossconfig: _, ...firstStage } = params.first_stage_config.params;
    const autoencoder = createAutoencoder(autoencoderConfigFromLdm(firstStage as LdmAutoencoderParams));
    autoencoder.loadStateDict(tensors);
    await expectSameDecoder(original.autoencoder, autoencoder, 1e-6);
    unet.dispose();
    autoencoder.dispose();
    dispose(original);
  });

  test('a wavelet-gated model has a file of weights, but no yaml, which is said', async () => {
    const original = model({ resample: 'wavelet' });
    const { files, notes } = await exportLdm(join(folder, 'ldm-wg'), { ...original, precision: 'float16' });
    expect(files).toHaveLength(1);
    expect(notes).toMatchInlineSnapshot(`
      [
        "no config.yaml: latent-diffusion has no such network: unetConfigToLdm: resample must be conv, as in LDM, got "wavelet"",
      ]
    `);
    const { tensors } = readSafetensors(await readFile(files[0]));
    expect(tensors.get('model.diffusion_model.out.2.weight')?.dtype).toBe('F16');
    const unet = new UNet(original.unet.config).loadStateDict(tensors);
    await expectSameUNet(original.unet, unet, 5e-3);
    unet.dispose();
    dispose(original);
  });

  test.each([
    ['an LDMPipeline', {}, 'vqvae'],
    [
      'a StableDiffusionPipeline',
      { useSpatialTransformer: true, contextDim: 8, numHeadChannels: undefined, numHeads: 2 },
      'vae',
    ],
  ] as const)("diffusers' folder of %s makes the same model again", async (_, changes, vae) => {
    const original = model(changes as Partial<UNetConfig>);
    const out = join(folder, `diffusers-${vae}`);
    const { files } = await exportDiffusers(out, original);
    expect(files.map((file) => relative(out, file).replaceAll('\\', '/'))).toEqual([
      'unet/diffusion_pytorch_model.safetensors',
      'unet/config.json',
      `${vae}/diffusion_pytorch_model.safetensors`,
      `${vae}/config.json`,
      'scheduler/scheduler_config.json',
      'model_index.json',
    ]);
    const handles: { close(): Promise<void> }[] = [];
    const pipeline = await openDiffusersFolder(async (path) => {
      const handle = await open(join(out, path)).catch(() => undefined);
      if (!handle) return undefined;
      handles.push(handle);
      const { size } = await handle.stat();
      return {
        size,
        read: async (offset, length) => (await handle.read(new Uint8Array(length), 0, length, offset)).buffer,
      };
    });
    const [unetPart, vaePart, scheduler] = [
      await pipeline.component('unet'),
      await pipeline.component(vae),
      await pipeline.component('scheduler'),
    ];
    expect(vaePart.config.scaling_factor).toBe(0.75);
    const unet = await new UNet(unetConfigFromDiffusers(unetPart.config)).loadFrom(unetPart.weights as never);
    const autoencoder = await autoencoderFromDiffusers(vaePart.config).loadFrom(vaePart.weights as never);
    for (const handle of handles) await handle.close();
    if (vae === 'vqvae') await expectSameUNet(original.unet, unet, 1e-6);
    else expect([...(await unet.stateDict()).keys()]).toEqual([...(await original.unet.stateDict()).keys()]);
    await expectSameDecoder(original.autoencoder, autoencoder as ExportedModel['autoencoder'], 1e-6);
    const schedule = schedulerFromConfig(scheduler.config);
    expect(schedule.alphasCumprod).toEqual(schedulerFromConfig(original.metadata.scheduler).alphasCumprod);
    unet.dispose();
    autoencoder.dispose();
    dispose(original);
  });

  test('of the TAESD family diffusers has the first stage, latent-diffusion has not', async () => {
    const original = model({}, { ...tinyPresets.taesd, encoderCh: 8, decoderCh: 8 });
    const out = join(folder, 'taesd');
    await exportDiffusers(out, original);
    const config = JSON.parse(await readFile(join(out, 'vqvae', 'config.json'), 'utf8'));
    expect(config).toMatchObject({ _class_name: 'AutoencoderTiny', scaling_factor: 0.75 });
    const { tensors } = readSafetensors(await readFile(join(out, 'vqvae', 'diffusion_pytorch_model.safetensors')));
    const again = autoencoderFromDiffusers({ ...config, scaling_factor: 1 }).loadStateDict(tensors);
    await expectSameDecoder(original.autoencoder, again, 1e-6);
    expect((await exportLdm(join(folder, 'taesd-ldm'), original)).notes).toMatchInlineSnapshot(`
      [
        "no config.yaml: latent-diffusion has no such network: exportLdm: first stage must be a VQ or KL one, got "one of the TAESD family"",
      ]
    `);
    again.dispose();
    dispose(original);
    const pooled = model({}, { ...tinyPresets.taef2, latentChannels: 4, encoderCh: 8, decoderCh: 8 });
    expect(await messageOf(exportDiffusers(join(folder, 'taef2'), pooled))).toMatchInlineSnapshot(
      `"export: diffusers has no such network: autoencoderConfigToDiffusers: pool must be false, got true; --format onnx and --format ldm take every form"`,
    );
    dispose(pooled);
  });

  test('what diffusers does not have is refused, and nothing is written', async () => {
    const gated = model({ resample: 'wavelet' });
    expect(await messageOf(exportDiffusers(join(folder, 'none'), gated))).toMatchInlineSnapshot(
      `"export: diffusers has no such network: unetConfigToDiffusers: resample must be 'conv': diffusers has no wavelet-gated modules, got "wavelet"; --format onnx and --format ldm take every form"`,
    );
    await expect(readFile(join(folder, 'none', 'model_index.json'))).rejects.toThrow('ENOENT');
    dispose(gated);
  });

  test.each(
    Object.entries({
      'a KL first stage': kl,
      'a VQ first stage': {
        ...autoencoders['tiny-vq-f4'],
        ch: 8,
        resolution: 32,
        normGroups: 4,
        embedDim: 4,
        zChannels: 4,
      },
      "TAESD's decoder": { ...tinyPresets.taesd, decoderCh: 8 },
      "TAEF2's decoder": { ...tinyPresets.taef2, latentChannels: 4, decoderCh: 8, decoderBlocks: [2, 1, 0, 1] },
    }),
  )('ONNX of a wavelet-gated model and %s is run and compared', async (name, autoencoder) => {
    const original = model({ resample: 'wavelet' }, autoencoder as AutoencoderConfig | AutoencoderTinyConfig);
    const out = join(folder, `onnx ${name}`);
    const { files, notes } = await exportOnnx(out, original, { gates: true });
    expect(files.map((file) => relative(out, file))).toEqual(['unet.onnx', 'decoder.onnx', 'scheduler_config.json']);
    const errors = notes.map((note) => Number(/to within (\S+) of/.exec(note)?.[1]));
    expect(errors).toHaveLength(2);
    for (const error of errors) expect(error).toBeLessThan(1e-4);
    expect(notes[0]).toMatch(/^unet\.onnx: ONNX Runtime gives 3 outputs to within/); // the prediction, two modules' gates
    dispose(original);
  });
});
