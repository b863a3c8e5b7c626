import { basename, resolve } from 'node:path';
import { randomKey } from '@sd/core';
import { countMacs } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Denoiser } from '../conditions/denoiser';
import type { OpenProgress, Progress } from '../console/progress';
import { ImageFolder } from '../data/image-folder';
import { type AnyFirstStage, weightsDigest } from '../files/first-stage-file';
import type { DiffusionMetadata } from '../files/weights-file';
import { classesInTurn } from '../sampling/guidance';
import { measureStepsPerSecond } from '../sampling/sample-images';
import { type SigmaSpacing, samplerScheduler, takesEta } from '../sampling/samplers';
import { UserError } from '../user-error';
import type { Evaluation } from './evaluation';
import { generatedImages } from './generated-images';
import { datasetImages, type ImageSet } from './image-set';

/** What is evaluated: its images and, of a model, what else there is to say. */
export type Evaluated = {
  readonly name: string;
  readonly set: ImageSet;
  readonly facts: Pick<Evaluation, 'model' | 'sampling'>;
  /** Denoising steps a second; of images alone there are none. */
  throughput(batchSize: number, runs: number): Promise<Evaluation['throughput']>;
  dispose(): void;
};

export type ModelToEvaluate = {
  readonly name: string;
  readonly weights: string;
  /** Opens the model. */
  readonly open: () => Promise<{ readonly denoiser: Denoiser; readonly metadata: DiffusionMetadata }>;
  readonly openFirstStage: () => Promise<AnyFirstStage>;
  /** Height and width that its images must have. */
  readonly size: number;
  readonly count: number;
  readonly steps: number;
  readonly seed: number;
  /** Of the model's own sampler, where it takes one. */
  readonly defaultEta: number;
  readonly sampler?: string | undefined;
  readonly sigmas?: SigmaSpacing | undefined;
  readonly eta?: number | undefined;
  /** w of models of classes, which are drawn in turn. */
  readonly guidance: number;
  readonly keep?: string | undefined;
  readonly signal: AbortSignal;
};

/** A model whose samples are evaluated. @throws {UserError} on broken files, and on what the sampler cannot do. */
export async function openEvaluatedModel(options: ModelToEvaluate): Promise<Evaluated> {
  const { name, weights, size, count, steps, seed, keep, signal } = options;
  const { denoiser, metadata } = await options.open();
  const { unet } = denoiser;
  const owned: { dispose(): void }[] = [denoiser];
  const dispose = () => {
    for (const one of owned) one.dispose();
  };
  try {
    if (denoiser.kind === 'text') {
      throw new UserError(`evaluate: ${name} is of texts: draw its images with \`sd sample\`, then give --images`);
    }
    const guidance = classesInTurn(denoiser, options.guidance);
    const scheduler = samplerScheduler(metadata.scheduler, options);
    const own = options.sampler === undefined && takesEta(scheduler) ? options.defaultEta : undefined;
    const eta = options.eta ?? own;
    scheduler.plan({ steps, ...(eta === undefined ? {} : { eta }) }); // refuses steps that the sampler cannot take
    const autoencoder = await options.openFirstStage();
    owned.push(autoencoder);
    const pipeline = { unet, scheduler, autoencoder, scaleFactor: metadata.scaleFactor };
    const description = `${count} samples of ${name}`;
    const key = randomKey(seed);
    const { imageSize, inChannels } = unet.config;
    const { sampler, sigmas } = options;
    return {
      name,
      set: generatedImages(pipeline, size, { description, count, steps, eta, key, guidance, keep, signal }),
      facts: {
        model: {
          weights,
          sha256: await weightsDigest(weights),
          parameters: unet.parameterCount,
          macs: countMacs(unet.config),
        },
        sampling: {
          scheduler: scheduler.config,
          steps,
          seed,
          ...(eta === undefined ? {} : { eta }),
          ...(guidance ? { guidance: guidance.scale } : {}),
          ...(sampler === undefined ? {} : { sampler }),
          ...(sigmas === undefined ? {} : { sigmas }),
        },
      },
      async throughput(batchSize, runs) {
        const condition = guidance?.condition(0, batchSize);
        const conditional = { forward: (x: Tensor4D, t: number) => denoiser.forward(x, t, condition) };
        const shape = [batchSize, imageSize, imageSize, inChannels] as const;
        return { stepsPerSecond: await measureStepsPerSecond(conditional, shape, runs), batchSize, runs };
      },
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Finished images of a folder. @param count of them at most. @throws {UserError} */
export async function openEvaluatedImages(
  folder: string,
  size: number,
  count: number | undefined,
  openProgress: OpenProgress,
  signal: AbortSignal,
): Promise<Evaluated> {
  return {
    name: basename(resolve(folder)),
    set: datasetImages(await openFolder(folder, size, openProgress, signal), count),
    facts: {},
    throughput: async () => undefined,
    dispose: () => {},
  };
}

/** Pictures of a folder at one size. @throws {UserError} where any cannot be read: a set that is measured is whole. */
export async function openFolder(
  folder: string,
  size: number,
  openProgress: OpenProgress,
  signal: AbortSignal,
): Promise<ImageFolder> {
  let progress: Progress | undefined;
  try {
    return await ImageFolder.open(folder, size, (done, total) => {
      progress ??= openProgress('read pictures', total, 'picture');
      progress.update(done);
      signal.throwIfAborted();
    });
  } finally {
    progress?.stop();
  }
}
