import { parseConfig } from '../config/load-config';
import type { ProjectConfig } from '../config/schema';
import { packageFile } from '../files/package-root';

/** Shipped weights, beside the sources and beside the built command alike. */
export function pretrained(name: 'first-stage' | 'teacher'): string {
  return packageFile(`pretrained/${name}.safetensors`);
}

const FIRST_STAGE = 'small-kl-f4';

/** A denoiser of 8x8 latents: two levels, attention at the coarser one. */
function unet(modelChannels: number, numResBlocks: number, imageSize: number, resample: 'conv' | 'wavelet') {
  return {
    imageSize,
    inChannels: 4,
    outChannels: 4,
    modelChannels,
    channelMult: [1, 2],
    numResBlocks,
    attentionResolutions: [2],
    numHeads: 1,
    resample,
  };
}

/**
 * The demo's project. With generated images the first stage and the teacher are shipped; with photographs both are
 * trained further from there. Lite and SD have the same widths, steps and batches.
 */
export function demoConfig({
  out,
  seed,
  data,
}: {
  out: string;
  seed: number;
  data?: { path: string; size: number };
}): ProjectConfig {
  const imageSize = (data?.size ?? 32) / 4;
  const student = {
    steps: 1000,
    batchSize: 32,
    learningRate: 2e-3,
    warmupSteps: 20,
    emaDecay: 0.99,
    weightDecay: 0.01,
  };
  return parseConfig(
    {
      out,
      seed,
      data: data
        ? { source: 'folder', path: data.path, size: data.size, flip: true }
        : { source: 'dead-leaves', size: 32, count: 4096 },
      firstStage: {
        model: FIRST_STAGE,
        weights: pretrained('first-stage'),
        steps: 300,
        batchSize: 16,
        learningRate: 5e-4,
        emaDecay: 0.99,
      },
      diffusion: { predictionType: 'v_prediction' },
      models: {
        teacher: {
          unet: unet(32, 2, imageSize, 'conv'),
          ...(data ? {} : { weights: pretrained('teacher') }),
          ...student,
          steps: 800,
        },
        lite: { unet: unet(16, 1, imageSize, 'conv'), ...student },
        sd: { unet: unet(16, 1, imageSize, 'wavelet'), ...student, distillation: { teacher: 'teacher' } },
      },
      sampling: { steps: 50, eta: 0, count: 16 },
    },
    'the demo',
  );
}
