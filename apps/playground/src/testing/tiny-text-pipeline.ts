import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createAutoencoder, presets } from '@sd/autoencoder';
import { readSafetensors, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { UNet, type UNetConfig } from '@sd/unet';
import { TINY_WIDTH, writeTinyTextEncoder } from '../../../trainer/src/conditions/tiny-text-encoder';
import { exportDiffusers } from '../../../trainer/src/export/export-diffusers';
import { shake } from '../../../trainer/src/sampling/tiny-pipeline';
import type { DroppedFile } from '../dropped-file';

export const TINY_UNET: UNetConfig = {
  imageSize: 8,
  inChannels: 4,
  outChannels: 4,
  modelChannels: 8,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
  numHeads: 2,
  normGroups: 4,
  useSpatialTransformer: true,
  contextDim: TINY_WIDTH,
};

export const TINY_STAGE = { ...presets['tiny-kl-f2'], ch: 8, resolution: 16, norm: 'group', normGroups: 4 } as const;

export const TINY_SCHEDULER = { _class_name: 'DDIMScheduler', prediction_type: 'v_prediction', clip_sample: false };

/** For tests: a StableDiffusionPipeline of 16 x 16 pixels, with its text encoder, as diffusers saves it. */
export async function writeTinyTextPipeline(folder: string): Promise<void> {
  const unet = shake(new UNet(TINY_UNET));
  const autoencoder = createAutoencoder(TINY_STAGE).initialize(randomKey(5));
  const metadata = { unet: unet.config, scheduler: TINY_SCHEDULER, scaleFactor: 0.5 };
  await exportDiffusers(folder, { unet, autoencoder, metadata, precision: 'float32' });
  unet.dispose();
  autoencoder.dispose();

  const [encoder, tokenizer] = [join(folder, 'text_encoder'), join(folder, 'tokenizer')];
  await writeTinyTextEncoder(encoder);
  await mkdir(tokenizer);
  for (const name of ['vocab.json', 'merges.txt', 'tokenizer_config.json']) {
    await rename(join(encoder, name), join(tokenizer, name));
  }
  const path = join(folder, 'model_index.json');
  const index = JSON.parse(await readFile(path, 'utf8')) as object;
  const parts = { text_encoder: ['transformers', 'CLIPTextModel'], tokenizer: ['transformers', 'CLIPTokenizer'] };
  await writeFile(path, JSON.stringify({ ...index, ...parts }));
}

/** For tests: a file of safetensors becomes two parts and their index. */
export async function splitInParts(path: string): Promise<void> {
  const { tensors } = readSafetensors(new Uint8Array(await readFile(path)));
  const stem = path.replace(/\.safetensors$/, '');
  const name = stem.slice(dirname(path).length + 1);
  const weightMap: Record<string, string> = {};
  for (const part of [0, 1]) {
    const own = [...tensors].filter((_, i) => i % 2 === part);
    const file = `${name}-0000${part + 1}-of-00002.safetensors`;
    for (const [tensor] of own) weightMap[tensor] = file;
    await writeFile(join(dirname(path), file), writeSafetensors(new Map(own)));
  }
  await writeFile(`${stem}.safetensors.index.json`, JSON.stringify({ metadata: {}, weight_map: weightMap }));
  await rm(path);
}

/** Files of a folder on the disk as a browser has them when the folder is dropped. */
export async function filesIn(folder: string, path: string): Promise<DroppedFile[]> {
  const entries = await readdir(join(folder, path), { recursive: true, withFileTypes: true });
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async ({ parentPath, name }) => {
        const file = new File([new Uint8Array(await readFile(join(parentPath, name)))], name);
        return { path: `${parentPath.slice(folder.length + 1)}/${name}`.replaceAll('\\', '/'), file };
      }),
  );
}
