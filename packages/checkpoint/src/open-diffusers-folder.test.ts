import { expect, test } from 'vitest';
import { float32View } from './encode';
import { openDiffusersFolder } from './open-diffusers-folder';
import { goldenBytes } from './testing';
import { writeSafetensors } from './write-safetensors';

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const weights = (...names: string[]) =>
  writeSafetensors(new Map(names.map((name) => [name, float32View(Float32Array.of(1), [1])])));

function folder(files: Record<string, Uint8Array>, opened: string[] = []) {
  return (path: string) => {
    opened.push(path);
    const bytes = Object.hasOwn(files, path) ? files[path] : undefined;
    return (
      bytes && {
        size: bytes.length,
        read: async (offset: number, length: number) => bytes.slice(offset, offset + length),
      }
    );
  };
}

const pipeline = {
  'model_index.json': json({
    _class_name: 'LDMPipeline',
    _diffusers_version: '0.4.0',
    unet: ['diffusers', 'UNet2DModel'],
    vqvae: ['diffusers', 'VQModel'],
    scheduler: ['diffusers', 'DDIMScheduler'],
    big: ['transformers', 'CLIPTextModel'],
    safety_checker: [null, null],
    requires_safety_checker: true,
  }),
  'unet/config.json': json({ _class_name: 'UNet2DModel', sample_size: 64 }),
  'unet/diffusion_pytorch_model.safetensors': weights('conv_in.weight'),
  'unet/diffusion_pytorch_model.fp16.safetensors': weights('conv_in.weight.fp16'),
  'unet/diffusion_pytorch_model.bin': goldenBytes('torch-module.pth'),
  'vqvae/config.json': json({ _class_name: 'VQModel' }),
  'vqvae/diffusion_pytorch_model.bin': goldenBytes('torch-module.pth'),
  'scheduler/scheduler_config.json': json({ _class_name: 'DDIMScheduler' }),
  'big/config.json': json({ architectures: ['CLIPTextModel'] }),
  'big/model.safetensors.index.json': json({
    weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
  }),
  'big/model-00001-of-00002.safetensors': weights('a'),
  'big/model-00002-of-00002.safetensors': weights('b'),
};

test('a pipeline: its class, its components, their configurations and weights', async () => {
  const opened = await openDiffusersFolder(folder(pipeline));
  expect(opened.className).toBe('LDMPipeline');
  expect([...opened.components]).toEqual([
    ['unet', ['diffusers', 'UNet2DModel']],
    ['vqvae', ['diffusers', 'VQModel']],
    ['scheduler', ['diffusers', 'DDIMScheduler']],
    ['big', ['transformers', 'CLIPTextModel']],
  ]);
  const unet = await opened.component('unet');
  expect(unet.config).toEqual({ _class_name: 'UNet2DModel', sample_size: 64 });
  expect([unet.weightsPath, unet.weights?.names]).toEqual([
    'unet/diffusion_pytorch_model.safetensors',
    ['conv_in.weight'],
  ]);
  const vqvae = await opened.component('vqvae');
  expect([vqvae.weightsPath, vqvae.weights?.names.length]).toEqual(['vqvae/diffusion_pytorch_model.bin', 5]);
  const scheduler = await opened.component('scheduler');
  expect([scheduler.config, scheduler.weights]).toEqual([{ _class_name: 'DDIMScheduler' }, undefined]);
  const big = await opened.component('big');
  expect([big.weightsPath, big.weights?.names]).toEqual(['big/model.safetensors.index.json', ['a', 'b']]);
  expect((await big.weights!.tensor('b')).shape).toEqual([1]);
});

test('a variant is taken where there is one', async () => {
  const opened = await openDiffusersFolder(folder(pipeline), { variant: 'fp16' });
  expect((await opened.component('unet')).weightsPath).toBe('unet/diffusion_pytorch_model.fp16.safetensors');
  expect((await opened.component('vqvae')).weightsPath).toBe('vqvae/diffusion_pytorch_model.bin');
});

test('the folder of one model', async () => {
  const opened = await openDiffusersFolder(
    folder({
      'config.json': pipeline['unet/config.json'],
      'diffusion_pytorch_model.safetensors': weights('conv_in.weight'),
    }),
  );
  expect([opened.className, opened.components.size]).toEqual(['UNet2DModel', 0]);
  expect((await opened.component('')).weights?.names).toEqual(['conv_in.weight']);
  await expect(opened.component('unet')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: component must be '', of the one model here, got "unet"]`,
  );
});

test('what is wrong with a folder is said', async () => {
  const opening = async (files: Record<string, Uint8Array>) => await openDiffusersFolder(folder(files));
  await expect(opening({})).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: folder must be with model_index.json or config.json, got neither]`,
  );
  await expect(opening({ 'model_index.json': json([]) })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: "model_index.json" must be a JSON object, got an array]`,
  );
  await expect(opening({ 'model_index.json': json(null) })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: "model_index.json" must be a JSON object, got null]`,
  );
  await expect(
    opening({ 'model_index.json': new TextEncoder().encode('{') }),
  ).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: "model_index.json" must be JSON in UTF-8, got something else]`,
  );
  await expect(opening({ 'model_index.json': new Uint8Array(1_000_001) })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: "model_index.json" must be at most 1000000 bytes, got 1000001]`,
  );
  const shard = {
    'config.json': json({}),
    'model.safetensors.index.json': json({ weight_map: { a: 'x.safetensors' } }),
  };
  const opened = await openDiffusersFolder(folder(shard));
  expect(opened.className).toBeUndefined();
  await expect(opened.component('')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: file "x.safetensors" must be there, as the index has it, got none]`,
  );
  const known = await openDiffusersFolder(folder(pipeline));
  await expect(known.component('toString')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: component must be one of unet, vqvae, scheduler, big, got "toString"]`,
  );
  await expect(openDiffusersFolder(folder(pipeline), { variant: '../x' })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: variant must be a plain file name, got "../x"]`,
  );
});

test.each(['../unet', 'a/b', '..', '', 'C:', 'a\\b'])('no file of a component named %j is opened', async (name) => {
  const opened: string[] = [];
  const index = { 'model_index.json': json({ [name]: ['diffusers', 'UNet2DModel'] }) };
  await expect(openDiffusersFolder(folder(index, opened))).rejects.toThrow('component name must be a plain file name');
  expect(opened).toEqual(['model_index.json']);
});
