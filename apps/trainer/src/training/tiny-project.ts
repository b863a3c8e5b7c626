import { createAutoencoder, presets } from '@sd/autoencoder';
import { randomKey } from '@sd/core';
import { parseConfig } from '../config/load-config';
import { RunFolder } from '../config/run-folder';
import type { ProjectConfig } from '../config/schema';
import { silentProgress } from '../console/progress';
import { Latents } from '../data/latents';
import { saveFirstStage } from '../files/weights-file';
import type { StageContext } from './run-stages';

/** For tests: a project whose every step takes milliseconds. 8 x 8 x 4 latents of 16-pixel images. */
export const TINY_STEPS = 12;

const unet = {
  imageSize: 8,
  inChannels: 4,
  outChannels: 4,
  modelChannels: 8,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
  numHeads: 1,
};

const training = { steps: TINY_STEPS, batchSize: 2, learningRate: 1e-3, emaDecay: 0.9, checkpointEvery: 4 };

/** The project as its YAML file would have it. */
export function tinyProjectSource(out: string) {
  return {
    out,
    seed: 3,
    backend: 'wasm',
    data: { source: 'dead-leaves', size: 16, count: 10 },
    firstStage: {
      model: { ...presets['tiny-kl-f2'], ch: 4, resolution: 16, normGroups: 2 },
      ...training,
      focalFrequencyWeight: 1,
    },
    diffusion: { predictionType: 'v_prediction', minSnrGamma: 5 },
    models: {
      teacher: { unet, ...training },
      sd: { unet: { ...unet, resample: 'wavelet' }, ...training, distillation: {} },
    },
    sampling: { steps: 4, count: 2 },
  };
}

export function tinyProject(
  out: string,
  changes: (source: ReturnType<typeof tinyProjectSource>) => unknown = (s) => s,
) {
  return parseConfig(changes(tinyProjectSource(out)), 'the tiny project');
}

export function tinyContext(config: ProjectConfig, changes: Partial<StageContext> = {}): StageContext {
  return {
    config,
    folder: new RunFolder(config.out),
    resume: false,
    precision: 'float32',
    openProgress: silentProgress,
    ...changes,
  };
}

/** Ten latents of a fixed pattern. */
export function tinyLatents(): Latents {
  const values = Float32Array.from({ length: 10 * 8 * 8 * 4 }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
  return new Latents(values, [10, 8, 8, 4], 1.5, 'ten latents');
}

/** Writes an untrained first stage where the project's would be. */
export async function saveTinyFirstStage(config: ProjectConfig): Promise<void> {
  const autoencoder = createAutoencoder(config.firstStage.model as Parameters<typeof createAutoencoder>[0]);
  autoencoder.initialize(randomKey(1));
  await saveFirstStage(new RunFolder(config.out).firstStage.weights, autoencoder, 'float32');
  autoencoder.dispose();
}
