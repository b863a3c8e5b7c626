import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Scheduler, schedulerFromConfig } from '@sd/schedulers';
import { SpectrumStatistics } from '@sd/spectral-loss';
import type { UNet } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoiser } from '../conditions/denoiser';
import { loadConfig } from '../config/load-config';
import { RunFolder } from '../config/run-folder';
import type { ProjectConfig } from '../config/schema';
import type { ImageDataset } from '../data/image-dataset';
import { decodeLatents, encodeMean } from '../data/latents';
import { openDataset } from '../data/open-dataset';
import { type AnyFirstStage, weightsDigest } from '../files/first-stage-file';
import { type DiffusionMetadata, loadDiffusionModel } from '../files/weights-file';
import type { Pipeline } from '../sampling/pipeline';
import { firstStageWeights, modelWeights, openFirstStage } from '../training/run-stages';
import { MissingModels } from './missing-models';
import type { ReproductionContext } from './reproduction';

const BATCH = 64;

/** Commands. */
const MADE_BY = {
  unconditional: 'sd demo',
  conditional:
    'sd train --config FILE` and `sd distill --config FILE` of a project with a condition, such as `configs/imagenet/sd.yaml',
} as const;

/** A finished model, open. */
export type TrainedModel = Pipeline & {
  readonly name: string;
  readonly unet: UNet;
  readonly scheduler: Scheduler;
  readonly denoiser: Denoiser;
  readonly metadata: DiffusionMetadata;
};

/** What a run folder has: data, a first stage and the models that are finished. */
export class TrainedRun {
  private constructor(
    readonly config: ProjectConfig,
    readonly folder: RunFolder,
    readonly dataset: ImageDataset,
    readonly autoencoder: AnyFirstStage,
    /** Of the finished models, in the project's order. */
    readonly names: readonly string[],
  ) {}

  /** What the data are, in words that say no place of this machine: results are shown to others. */
  get data(): string {
    const { data } = this.config;
    const { description } = this.dataset;
    return 'path' in data && data.path ? description.replaceAll(data.path, basename(data.path)) : description;
  }

  /**
   * Runs `use` with a folder's models and lets everything go again. @throws {MissingModels} where there is none, nothing is
   * finished, or they are of the other kind.
   */
  static async with<T>(
    context: ReproductionContext,
    use: (run: TrainedRun) => Promise<T>,
    kind: 'unconditional' | 'conditional' = 'unconditional',
  ): Promise<T> {
    const { models, openProgress, report, signal } = context;
    const project = join(models, 'project.yaml');
    if (!existsSync(project)) {
      throw new MissingModels(`there are no trained models at ${models}`, MADE_BY[kind]);
    }
    const config = await loadConfig(project);
    const folder = new RunFolder(models);
    const names = Object.keys(config.models).filter((name) => existsSync(modelWeights({ config, folder }, name)));
    if (names.length === 0) throw new MissingModels(`no model of ${project} is finished`, MADE_BY[kind]);
    if ((config.condition ? 'conditional' : 'unconditional') !== kind) {
      throw new MissingModels(
        `the models of ${project} are ${kind === 'conditional' ? 'un' : ''}conditional`,
        MADE_BY[kind],
      );
    }
    const dataset = await openDataset(config.data, config.seed, openProgress, report, signal);
    try {
      const autoencoder = await openFirstStage({ config, folder });
      try {
        return await use(new TrainedRun(config, folder, dataset, autoencoder, names));
      } finally {
        autoencoder.dispose();
      }
    } finally {
      await dataset.close?.();
    }
  }

  /** Runs `use` with a model. */
  async withModel<T>(name: string, use: (model: TrainedModel) => Promise<T>): Promise<T> {
    const { unet, denoiser, metadata } = await loadDiffusionModel(modelWeights(this, name));
    try {
      const { autoencoder } = this;
      const scheduler = schedulerFromConfig(metadata.scheduler);
      return await use({ name, unet, scheduler, autoencoder, denoiser, metadata, scaleFactor: metadata.scaleFactor });
    } finally {
      denoiser.dispose();
    }
  }

  /** What a model is, for the settings of pieces that depend on it: digests of its weights and its first stage's. */
  async identity(name: string): Promise<Readonly<Record<string, string>>> {
    return {
      model: await weightsDigest(modelWeights(this, name)),
      firstStage: await weightsDigest(firstStageWeights(this)),
    };
  }

  /** Spectrum of images of the data that went through the first stage and back: what no model of its latents can beat. */
  async reconstructionSpectrum(count: number): Promise<SpectrumStatistics> {
    const statistics = new SpectrumStatistics();
    const images = await this.dataset.batch(
      Int32Array.from({ length: Math.min(count, this.dataset.length) }, (_, i) => i),
    );
    const latents = encodeMean(this.autoencoder, images);
    const reconstructions = decodeLatents(this.autoencoder, latents, 1);
    await statistics.add(reconstructions);
    tf.dispose([images, latents, reconstructions]);
    return statistics;
  }

  /** Spectrum of the first images of the data. @throws the signal's reason. */
  async dataSpectrum(count: number, signal: AbortSignal): Promise<SpectrumStatistics> {
    const statistics = new SpectrumStatistics();
    const total = Math.min(count, this.dataset.length);
    for (let first = 0; first < total; first += BATCH) {
      signal.throwIfAborted();
      const indices = Int32Array.from({ length: Math.min(BATCH, total - first) }, (_, i) => first + i);
      const images = await this.dataset.batch(indices);
      await statistics.add(images);
      images.dispose();
    }
    return statistics;
  }
}

/** Gates only exist where the model samples by wavelets. */
export function hasGates({ unet }: TrainedModel): boolean {
  return unet.config.resample === 'wavelet';
}

/** Teacher, Lite and SD where a folder has them, as those of the ablation do beside others; else all that it has. */
export function comparedModels(names: readonly string[]): readonly string[] {
  const students = ['lite', names.includes('sd') ? 'sd' : 'full'];
  return students.every((name) => names.includes(name))
    ? names.filter((name) => name === 'teacher' || students.includes(name))
    : names;
}
