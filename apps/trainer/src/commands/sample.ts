import { dirname } from 'node:path';
import { randomKey } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import { checkWritable, writeAtomically } from '../files/atomic-file';
import { openFirstStageWeights, weightsDigest } from '../files/first-stage-file';
import { imageGridPng } from '../report/image-grid';
import { type InitImage, readInitLatents, readKnownLatents } from '../sampling/init-image';
import { GUIDANCE_OPTIONS, openGuidance } from '../sampling/open-guidance';
import type { Pipeline } from '../sampling/pipeline';
import { PredictionStrip } from '../sampling/prediction-strip';
import { sampleImages } from '../sampling/sample-images';
import { type SigmaSpacing, samplerScheduler, takesEta } from '../sampling/samplers';
import { firstStageWeights, modelWeights, openProjectModel, textEncoderFolder } from '../training/run-stages';
import { UserError } from '../user-error';
import { type ProjectOptions, say, withProject } from './context';

export type SampleCommandOptions = ProjectOptions & {
  readonly model: string;
  /** A file of weights in place of the project's model. */
  readonly weights?: string;
  /** A file of a first stage in place of the project's. */
  readonly firstStage?: string;
  readonly count?: number;
  /** A name of `SAMPLERS`, in place of the model's own. */
  readonly sampler?: string;
  readonly sigmas?: SigmaSpacing;
  readonly steps?: number;
  readonly eta?: number;
  /** What the samples show, for models of texts; several take turns. */
  readonly prompt?: readonly string[];
  /** Classes of the samples, by number or name, separated by commas; for models of classes. */
  readonly class?: string;
  /** What the samples are led away from; nothing by default. */
  readonly negative?: string;
  /** w of classifier-free guidance. */
  readonly guidance?: number;
  /** A picture to start from. */
  readonly init?: string;
  readonly strength?: number;
  /** A picture that is white where `init` is made anew. */
  readonly mask?: string;
  /** The seed whose first sample is the last one. */
  readonly interpolateTo?: number;
  /** Also write what is predicted on the way. */
  readonly strip?: boolean;
  /** The PNG; beside the model by default. */
  readonly output?: string;
};

/** Rows of the picture of `--strip`. */
const STRIP_ROWS = 4;

/** In a row of an interpolation. */
const INTERPOLATION_COLUMNS = 8;

/** `sd sample --config FILE --model NAME`: draws images into one PNG, and says beside it how they were made. */
export async function sample(options: SampleCommandOptions): Promise<void> {
  const { init, mask, interpolateTo } = options;
  if (mask !== undefined && init === undefined) throw new UserError('--mask needs --init: the image that it is for');
  if (options.strength !== undefined && init === undefined) throw new UserError('--strength needs --init');
  if (options.strip && options.strength === 0) throw new UserError('--strip: with --strength 0 nothing is predicted');
  await withProject(options, async ({ config, folder, openProgress, signal }) => {
    const count = options.count ?? config.sampling.count;
    if (interpolateTo !== undefined && count < 2) throw new UserError('--interpolate-to needs a --count of 2 or more');
    const steps = options.steps ?? config.sampling.steps;
    const strength = init === undefined ? undefined : (options.strength ?? (mask === undefined ? 0.8 : 1));
    if (strength !== undefined && strength > 0 && Math.floor(strength * steps) === 0) {
      throw new UserError(`--strength ${strength} leaves none of ${steps} steps: give 0, ${1 / steps} or more`);
    }
    const output = options.output ?? folder.stage(options.model).samples;
    await checkWritable(dirname(output), 0);
    const weights = options.weights ?? modelWeights({ config, folder }, options.model);
    const firstStage = options.firstStage ?? firstStageWeights({ config, folder });
    const { denoiser, metadata } = await openProjectModel({ config, folder }, options.model, weights);
    const { unet } = denoiser;
    const owned: { dispose(): void }[] = [denoiser];
    try {
      const guidance = await openGuidance(denoiser, metadata, {
        ...options,
        guidance: options.guidance ?? config.sampling.guidance,
        given: GUIDANCE_OPTIONS.filter((name) => options[name] !== undefined),
        encoder: () => textEncoderFolder(config, options.model),
      });
      if (guidance) owned.push(guidance);
      const scheduler = samplerScheduler(metadata.scheduler, { ...options, inpaints: mask !== undefined });
      // The project's eta is that of the model's own sampler; others have a default of their own.
      const eta =
        options.eta ?? (options.sampler === undefined && takesEta(scheduler) ? config.sampling.eta : undefined);
      scheduler.plan({ steps, ...(eta === undefined ? {} : { eta }) }); // refuses steps that the sampler cannot take
      const autoencoder = await openFirstStageWeights(firstStage, config.firstStage.model);
      owned.push(autoencoder);
      const pipeline: Pipeline = { unet, autoencoder, scheduler, scaleFactor: metadata.scaleFactor };
      const start = strength === undefined ? undefined : await readInit(pipeline, options, strength);
      if (start) owned.push({ dispose: () => tf.dispose([start.latents, start.known ?? []]) });
      const strip = options.strip ? new PredictionStrip(Math.min(count, STRIP_ROWS)) : undefined;
      if (strip) owned.push(strip);
      const images = await sampleImages(pipeline, {
        count,
        steps,
        eta,
        key: randomKey(config.seed),
        interpolateTo: interpolateTo === undefined ? undefined : randomKey(interpolateTo),
        init: start,
        guidance,
        onPredictions: strip && ((predictions) => strip.add(predictions)),
        label: `sample ${options.model}`,
        openProgress,
        signal,
      });
      owned.push(images);
      const stem = output.replace(/\.png$/i, '');
      const columns = interpolateTo === undefined ? {} : { columns: Math.min(count, INTERPOLATION_COLUMNS) };
      await writeAtomically(output, await imageGridPng(images, columns));
      if (strip) {
        const predictions = strip.images(autoencoder, metadata.scaleFactor);
        owned.push(predictions);
        await writeAtomically(`${stem}-strip.png`, await imageGridPng(predictions, { columns: strip.shown }));
      }
      const settings = {
        model: options.model,
        weights: { file: weights, sha256: await weightsDigest(weights) },
        firstStage: { file: firstStage, sha256: await weightsDigest(firstStage) },
        scheduler: scheduler.config,
        count,
        steps,
        seed: config.seed,
        backend: tf.getBackend(),
        ...defined({
          prompt: options.prompt,
          class: options.class,
          negative: options.negative,
          guidance: guidance?.scale,
        }),
        ...defined({ sampler: options.sampler, sigmas: options.sigmas, eta, init, strength, mask, interpolateTo }),
      };
      await writeAtomically(`${stem}.json`, `${JSON.stringify(settings, null, 2)}\n`);
      say(`${count} samples; ${output}${strip ? `, ${stem}-strip.png` : ''}`);
    } finally {
      for (const one of owned) one.dispose();
    }
  });
}

async function readInit(
  pipeline: Pipeline,
  { init = '', mask }: SampleCommandOptions,
  strength: number,
): Promise<InitImage> {
  const known = mask === undefined ? undefined : await readKnownLatents(pipeline, mask);
  try {
    return { latents: await readInitLatents(pipeline, init), strength, ...(known ? { known } : {}) };
  } catch (error) {
    tf.dispose(known ?? []);
    throw error;
  }
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
