import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AutoencoderConfig, createAutoencoder, presets } from '@sd/autoencoder';
import { float32View, int32View, type TensorView, writeSafetensors } from '@sd/checkpoint';
import { foldIn, normal, randomKey } from '@sd/core';
import type { Module } from '@sd/nn';
import type { UNetConfig } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { Denoiser } from '../../apps/trainer/src/conditions/denoiser';
import { parseConfig } from '../../apps/trainer/src/config/load-config';
import { exportDiffusers } from '../../apps/trainer/src/export/export-diffusers';
import { exportLdm } from '../../apps/trainer/src/export/export-ldm';
import { schedulerConfig } from '../../apps/trainer/src/training/build-models';

const SCALE_FACTOR = 0.75;
const CLASSES = 3;
const TOKENS = 5;

const unet: UNetConfig = {
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
const attending = { ...unet, useSpatialTransformer: true, contextDim: 16, numHeadChannels: undefined, numHeads: 2 };
const kl = {
  ...presets['tiny-kl-f2'],
  ch: 32,
  resolution: 16,
  normGroups: 32,
  norm: 'group',
  embedDim: 4,
  zChannels: 4,
};
const vq = {
  ...presets['tiny-vq-f4'],
  ch: 32,
  resolution: 32,
  normGroups: 32,
  norm: 'group',
  embedDim: 4,
  zChannels: 4,
};

/** One of each condition and each first stage. */
const MODELS: Readonly<Record<string, { unet: UNetConfig; stage: object; kind: 'none' | 'class' | 'text' }>> = {
  plain: { unet, stage: kl, kind: 'none' },
  'plain-vq': { unet: { ...unet, useScaleShiftNorm: true, resblockUpdown: true }, stage: vq, kind: 'none' },
  classes: { unet: attending, stage: vq, kind: 'class' },
  texts: { unet: attending, stage: kl, kind: 'text' },
};

const { diffusion } = parseConfig(
  {
    out: 'out',
    data: { source: 'dead-leaves' },
    firstStage: { model: 'tiny-kl-f4', steps: 1, batchSize: 1 },
    models: {},
  },
  'the defaults',
);

/** Writes small models as `sd export` does, in both layouts where both have them, and what they compute of noise. */
export async function writeExports(folder: string): Promise<void> {
  for (const [name, { unet: config, stage, kind }] of Object.entries(MODELS)) {
    const denoiser = shaken(new Denoiser(config, kind, kind === 'class' ? CLASSES : 0), name);
    const autoencoder = shaken(createAutoencoder(stage as AutoencoderConfig), `${name} stage`);
    const { classEmbedder } = denoiser;
    const scheduler = schedulerConfig(diffusion);
    const metadata = { unet: denoiser.unet.config, scheduler, scaleFactor: SCALE_FACTOR };
    const model = { unet: denoiser.unet, classEmbedder, autoencoder, metadata, precision: 'float32' } as const;
    await exportLdm(join(folder, 'ldm', name), model);
    // a VQ first stage beside texts or classes has no pipeline there, and those blocks no name
    if (name === 'plain' || name === 'texts') await exportDiffusers(join(folder, 'diffusers', name), model);
    const x = noise(`${name} x`, [2, 8, 8, 4]);
    const t = [3, 700];
    const context =
      kind === 'text' ? (noise(`${name} context`, [2, TOKENS, 16]) as tf.Tensor as tf.Tensor3D) : undefined;
    const labels = [2, 0];
    const condition = kind === 'class' ? labels : context;
    const latent = noise(`${name} latent`, [1, 8, 8, 4]);
    const outputs = new Map<string, TensorView>([
      ['x', await nchw(x)],
      ['t', int32View(Int32Array.from(t), [2])],
      ['eps', await nchw(denoiser.forward(x, t, condition))],
      ['latent', await nchw(latent)],
      ['image', await nchw(autoencoder.decode(tf.div(latent, SCALE_FACTOR)))],
    ]);
    if (kind === 'class') outputs.set('labels', int32View(Int32Array.from(labels), [2]));
    if (context) outputs.set('context', float32View(await context.data<'float32'>(), context.shape));
    writeFileSync(join(folder, `${name}.safetensors`), writeSafetensors(outputs));
  }
}

/** Every parameter is given values: those that start at zero, too. */
function shaken<T extends Module>(module: T, name: string): T {
  module.initialize(randomKey(1));
  for (const [parameter, value] of module.parameters()) {
    const draws = noise(`${name} ${parameter}`, [value.size]);
    value.load(Float32Array.from(draws.dataSync(), (draw) => 0.05 * draw));
  }
  return module;
}

function noise(name: string, shape: readonly number[]): Tensor4D {
  return normal(foldIn(randomKey(9), name), [...shape] as [number, number, number, number]);
}

async function nchw(x: Tensor4D): Promise<TensorView> {
  const y = tf.transpose(x, [0, 3, 1, 2]);
  return float32View(await y.data<'float32'>(), y.shape);
}
