import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { presets } from '@sd/unet';
import { parseConfig } from '../../../config/load-config';
import type { ProjectConfig } from '../../../config/schema';
import { demoConfig } from '../../../demo/demo-config';
import { UserError } from '../../../user-error';
import type { ReproductionContext } from '../../reproduction';
import type { Scale } from '../../scale';
import { VARIANTS } from './ablation-variants';

/** How much of the ablation is computed. */
export type AblationSize = {
  /** Of generated images. */
  readonly images: number;
  /** Images of the data that samples are compared with. */
  readonly references: number;
  /** Of the six rows; an open variant has one. */
  readonly seeds: number;
  readonly steps: number;
  /** Times the steps that some students are trained besides. */
  readonly longer?: number;
  /** Parts of the steps after which a student is measured. */
  readonly measuredAt: readonly number[];
  readonly batchSize: number;
  readonly microBatchSize?: number;
  readonly checkpointEvery: number;
  readonly samples: number;
  readonly samplingSteps: number;
  /** Samples that are drawn and measured together. */
  readonly evaluationBatch: number;
};

const SIZES: Readonly<Record<Scale, AblationSize>> = {
  smoke: {
    images: 4,
    references: 4,
    seeds: 1,
    steps: 2,
    measuredAt: [0.5, 1],
    batchSize: 2,
    checkpointEvery: 1,
    samples: 2,
    samplingSteps: 1,
    evaluationBatch: 2,
  },
  tiny: {
    images: 4096,
    references: 1024,
    seeds: 3,
    steps: 400,
    measuredAt: [0.25, 0.5, 1],
    batchSize: 32,
    checkpointEvery: 50,
    samples: 256,
    samplingSteps: 25,
    evaluationBatch: 64,
  },
  small: {
    images: 20_000,
    references: 5000,
    seeds: 3,
    steps: 9600,
    longer: 10,
    measuredAt: [0.125, 0.25, 0.5, 1],
    batchSize: 64,
    checkpointEvery: 1000,
    samples: 1000,
    samplingSteps: 25,
    evaluationBatch: 125,
  },
  full: {
    images: 70_000,
    references: 50_000,
    seeds: 3,
    steps: 150_000,
    measuredAt: [0.125, 0.25, 0.5, 1],
    batchSize: 512,
    microBatchSize: 16,
    checkpointEvery: 1000,
    samples: 50_000,
    samplingSteps: 200,
    evaluationBatch: 50,
  },
};

/** Everything that the ablation depends on. */
export type AblationSetting = {
  readonly source: 'dead-leaves' | 'photographs';
  readonly size: AblationSize;
  /** Where all of it is kept that does not belong to a figure. */
  readonly folder: string;
  /** With the teacher and a model for each variant. */
  readonly project: ProjectConfig;
  /** Is the teacher trained here, rather than given? */
  readonly trainsTeacher: boolean;
  /** Steps after which the students are measured. */
  readonly milestones: readonly number[];
  /** Noisy examples of a seed, whose teacher's outputs are kept; without them every step has new ones. */
  readonly examples: number | undefined;
};

type Context = Pick<ReproductionContext, 'scale' | 'seed' | 'folder' | 'photographs' | 'steps' | 'longer' | 'examples'>;

/** The same for students that are trained longer; none where neither the scale nor the user wants them. @throws {UserError} */
export function longerSetting(context: Context): AblationSetting | undefined {
  const size = SIZES[context.scale];
  const { steps = size.steps } = context;
  const longer = context.longer ?? (size.longer === undefined ? undefined : size.longer * steps);
  if (longer === undefined) return undefined;
  if (longer <= steps) throw new UserError(`table5: --longer must be more than the ${steps} steps of all students`);
  return ablationSetting({ ...context, steps: longer });
}

/**
 * Generated images with the demo's first stage and teacher; or photographs, where they are given or were once, with the
 * first stage that is given and a teacher that is trained on them. @throws {UserError}
 */
export function ablationSetting({ scale, seed, folder, photographs, steps, examples }: Context): AblationSetting {
  const size = { ...SIZES[scale], ...(steps === undefined ? {} : { steps }) };
  const milestones = size.measuredAt.map((part) => Math.max(1, Math.round(part * size.steps)));
  const source = photographs || existsSync(join(folder, 'photographs')) ? 'photographs' : 'dead-leaves';
  if (scale === 'full' && source === 'dead-leaves') {
    throw new UserError(
      'table5 at full is of photographs: give their folder as --data and VQ-f4’s checkpoint as --first-stage',
    );
  }
  const own = join(folder, source);
  const base =
    source === 'dead-leaves' ? generated(own, seed, size) : photographed(scale, own, seed, photographs?.folder ?? own);
  const { teacher, student } = base;
  const training = { ...student.training, steps: size.steps, batchSize: size.batchSize };
  const { microBatchSize, checkpointEvery } = size;
  const models = VARIANTS.map(({ name, wavelet, distillation }) => [
    name,
    {
      ...training,
      ...(examples === undefined ? {} : { examples }),
      ...(microBatchSize === undefined ? {} : { microBatchSize }),
      checkpointEvery,
      unet: { ...student.unet, ...(wavelet ? { resample: 'wavelet', wavelet } : {}) },
      ...(distillation ? { distillation: { teacher: 'teacher', ...distillation } } : {}),
    },
  ]);
  const project = { ...base.project, models: { teacher, ...Object.fromEntries(models) } };
  return {
    source,
    size,
    folder: own,
    milestones: [...new Set(milestones)],
    examples,
    trainsTeacher: source === 'photographs',
    project: parseConfig(project, 'the ablation'),
  };
}

type Base = {
  readonly project: object;
  readonly teacher: object;
  readonly student: { readonly unet: object; readonly training: object };
};

function generated(out: string, seed: number, { images }: AblationSize): Base {
  const demo = demoConfig({ out, seed });
  const { unet, ...training } = demo.models.lite;
  return {
    project: { ...demo, data: { ...demo.data, count: images } },
    teacher: demo.models.teacher,
    student: { unet: unet as object, training },
  };
}

/** Students of at most 2 M parameters in the 8 x 8 x 32 latents of TAEF2; at full the paper's on FFHQ. */
function photographed(scale: Scale, out: string, seed: number, path: string): Base {
  const full = scale === 'full';
  const pixels = full ? 256 : 64;
  const weights = join(out, 'first-stage');
  const unet = (modelChannels: number, numResBlocks: number) => ({
    imageSize: 8,
    inChannels: 32,
    outChannels: 32,
    modelChannels,
    channelMult: [1, 2],
    numResBlocks,
    attentionResolutions: [2],
    numHeads: 1,
  });
  const optimizer = full
    ? { learningRate: 1.024e-3, emaDecay: 0.9999 }
    : { learningRate: 1e-3, warmupSteps: 100, emaDecay: 0.995 };
  const smoke = scale === 'smoke';
  return {
    project: {
      out,
      seed,
      data: { source: 'folder', path, size: pixels, flip: full },
      firstStage: full
        ? { model: 'vq-f4', weights: join(weights, 'model.ckpt'), scaleFactor: 1, steps: 1, batchSize: 1 }
        : { model: 'taef2', weights, steps: 1, batchSize: 1 },
      diffusion: full ? {} : { predictionType: 'v_prediction' },
      sampling: { steps: full ? 200 : 50, eta: 0, count: 16 },
    },
    teacher: full
      ? { unet: presets['ldm-ffhq'], ...optimizer, steps: 150_000, batchSize: 512, microBatchSize: 16 }
      : {
          unet: unet(64, 2),
          ...optimizer,
          steps: smoke ? 1 : 2400,
          batchSize: smoke ? 2 : 512,
          checkpointEvery: 200,
        },
    student: { unet: full ? presets['lite-ffhq'] : unet(32, 1), training: optimizer },
  };
}
