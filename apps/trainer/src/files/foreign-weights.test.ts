import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoencoderTiny, createAutoencoder, tinyPresets } from '@sd/autoencoder';
import { type StateDict, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { withPrefix } from '@sd/nn';
import { describeBackends } from '@sd/testing';
import { UNet, type UNetConfig } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Denoiser } from '../conditions/denoiser';
import { RunFolder } from '../config/run-folder';
import { encodeMean } from '../data/latents';
import { shake } from '../sampling/tiny-pipeline';
import { modelWeights, openProjectModel } from '../training/run-stages';
import { tinyProject } from '../training/tiny-project';
import { UserError } from '../user-error';
import { firstStageFactor, openFirstStageWeights, weightsDigest } from './first-stage-file';
import { openDenoiser } from './open-denoiser';
import { saveFirstStage } from './weights-file';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-foreign-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(name: string, state: StateDict): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, writeSafetensors(state));
  return path;
}

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

const { firstStage, models, diffusion } = tinyProject('out');
const stageModel = firstStage.model as Parameters<typeof createAutoencoder>[0];
const pictures = () =>
  tf.tensor4d(
    Float32Array.from({ length: 16 * 16 * 3 }, (_, i) => Math.sin(i)),
    [1, 16, 16, 3],
  );

describeBackends(['wasm'], () => {
  describe('a first stage', () => {
    test('is read from latent-diffusion’s and diffusers’ weights as from our own', async () => {
      const own = createAutoencoder(stageModel).initialize(randomKey(1));
      const expected = encodeMean(own, pictures());
      await saveFirstStage(join(folder, 'own.safetensors'), own, 'float32');
      const ldm = withPrefix(await own.stateDict(), 'first_stage_model.');
      const whole = new Map([...ldm, ...withPrefix(await own.stateDict(), 'model_ema.')]);
      await put('pipeline/vae/diffusion_pytorch_model.safetensors', await own.stateDict({ layout: 'diffusers' }));
      const paths = [
        join(folder, 'own.safetensors'),
        await put('model.safetensors', await own.stateDict()),
        await put('whole.safetensors', whole),
        join(folder, 'pipeline'),
        join(folder, 'pipeline', 'vae'),
      ];
      for (const path of paths) {
        const opened = await openFirstStageWeights(path, stageModel);
        await expect(encodeMean(opened, pictures()), path).toBeAllclose(expected, 1e-6);
        opened.dispose();
      }
      expect(firstStageFactor(own)).toBe(2);
      expect(await weightsDigest(join(folder, 'pipeline'))).toMatch(/^[0-9a-f]{64}$/);
      own.dispose();
    });

    test('of the TAESD family is read from its two files, and gives latents of images in [-1, 1]', async () => {
      const config = { ...tinyPresets.taesd, encoderCh: 8, decoderCh: 8, encoderBlocks: [1, 1], decoderBlocks: [1, 1] };
      const own = new AutoencoderTiny(config).initialize(randomKey(2));
      await put('taesd/taesd_encoder.safetensors', await own.encoder.stateDict());
      await put('taesd/taesd_decoder.safetensors', await own.decoder.stateDict());
      const opened = await openFirstStageWeights(join(folder, 'taesd'), config);
      expect([opened.kind, firstStageFactor(opened)]).toEqual(['tiny', 2]);
      await expect(encodeMean(opened, pictures())).toBeAllclose(own.encode(pictures()), 1e-6);
      const z = own.encode(pictures());
      await expect(opened.decode(z) as Tensor4D).toBeAllclose(own.decode(z), 1e-6);
      opened.dispose();
      await rm(join(folder, 'taesd', 'taesd_decoder.safetensors'));
      expect(await complaintOf(openFirstStageWeights(join(folder, 'taesd'), config))).toMatchInlineSnapshot(
        `"FOLDER/taesd must hold one decoder, as taesd_decoder.pth; found none"`,
      );
      own.dispose();
    });

    test('that is not what the project says, or nothing at all, is refused', async () => {
      const path = await put('model.safetensors', new Map());
      expect(await complaintOf(openFirstStageWeights(path, stageModel))).toMatch(/^FOLDER\/model.safetensors: /);
      expect(await complaintOf(openFirstStageWeights(join(folder, 'none.ckpt'), stageModel))).toMatchInlineSnapshot(
        `"cannot read FOLDER/none.ckpt: no such file"`,
      );
      await mkdir(join(folder, 'empty'));
      expect(await complaintOf(openFirstStageWeights(join(folder, 'empty'), stageModel))).toMatchInlineSnapshot(
        `"FOLDER/empty holds no weights: looked there and in vae/ for diffusion_pytorch_model.safetensors, diffusion_pytorch_model.fp16.safetensors, diffusion_pytorch_model.bin, model.safetensors, model.ckpt"`,
      );
      expect(await complaintOf(openFirstStageWeights(join(folder, 'empty'), 'taesd4'))).toMatchInlineSnapshot(
        `"config: firstStage.model: no preset "taesd4" (did you mean "taesd"?)"`,
      );
    });
  });

  test('a denoiser is read from latent-diffusion’s file, with its classes, and from diffusers’ folder', async () => {
    const unet = { ...(models.teacher.unet as unknown as UNetConfig), useSpatialTransformer: true, contextDim: 4 };
    const own = shake(new Denoiser(unet, 'class', 3));
    const foreign = (build: () => Denoiser) => ({ build, scheduler: { ...diffusion }, scaleFactor: () => 0.5 });
    const x = tf.tensor4d(
      Float32Array.from({ length: 256 }, (_, i) => Math.cos(i)),
      [1, 8, 8, 4],
    );
    const ldm = await put('model.safetensors', await own.stateDict());
    const opened = await openDenoiser(
      ldm,
      foreign(() => new Denoiser(unet, 'class', 3)),
    );
    expect(opened.metadata).toMatchObject({ condition: { kind: 'class', classes: 3 }, scaleFactor: 0.5 });
    await expect(opened.denoiser.forward(x, 7, [2])).toBeAllclose(own.forward(x, 7, [2]), 1e-6);

    const plain = shake(new UNet(models.teacher.unet as unknown as UNetConfig));
    await put('pipeline/unet/diffusion_pytorch_model.safetensors', await plain.stateDict({ layout: 'diffusers' }));
    const build = () => new Denoiser(models.teacher.unet as unknown as UNetConfig);
    const fromDiffusers = await openDenoiser(join(folder, 'pipeline'), foreign(build));
    await expect(fromDiffusers.denoiser.forward(x, 7)).toBeAllclose(plain.forward(x, 7), 1e-6);
    for (const one of [own, opened.denoiser, plain, fromDiffusers.denoiser]) one.dispose();
  });

  test('a model that is not there is said with what makes it', async () => {
    const config = tinyProject(folder);
    const context = { config, folder: new RunFolder(folder) };
    const missing = async (name: string) => complaintOf(openProjectModel(context, name, modelWeights(context, name)));
    expect(await missing('sd')).toMatchInlineSnapshot(
      `"there is no model at FOLDER/sd/model.safetensors: make it with \`sd distill --model sd\`, or name other weights"`,
    );
    expect(await missing('teacher')).toMatchInlineSnapshot(
      `"there is no model at FOLDER/teacher/model.safetensors: make it with \`sd train --model teacher\`, or name other weights"`,
    );
  });
});
