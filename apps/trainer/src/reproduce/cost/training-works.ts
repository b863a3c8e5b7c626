import { countMacs, type PresetName, presets, type UNetConfig } from '@sd/unet';
import { ablationSetting } from '../experiments/ablation/ablation-setting';
import { SEEDED, VARIANTS } from '../experiments/ablation/ablation-variants';
import { CLASS_CONDITIONAL, type PublishedModel, TEXT_TO_IMAGE, UNCONDITIONAL } from '../published';

/** What a figure or table computes at the paper's scale. */
export type Work = {
  /** Figure or table. */
  readonly name: string;
  /** What is trained and sampled. */
  readonly what: string;
  /** Multiply-accumulates of training: forward, backward, and the teacher's forward. */
  readonly training: number;
  /** Of sampling, without decoding and without the networks that measure. */
  readonly sampling: number;
};

/** A forward pass and a backward one, which costs two. */
const PASSES = 3;
const STEPS = 150_000;
const SAMPLING_STEPS = 200;

/** MACs of training a model, with a teacher where it is distilled. */
export function trainingMacs(model: {
  readonly unet: UNetConfig;
  readonly teacher?: UNetConfig | undefined;
  readonly batch: number;
  readonly steps: number;
}): number {
  const { unet, teacher, batch, steps } = model;
  return steps * batch * (PASSES * countMacs(unet) + (teacher ? countMacs(teacher) : 0));
}

/** MACs of drawing samples; guided ones take two passes a step. */
export function samplingMacs(unet: UNetConfig, samples: number, steps: number, guided = false): number {
  return samples * steps * (guided ? 2 : 1) * countMacs(unet);
}

/** All figures and tables whose models are trained, or drawn from, at the paper's scale. */
export function fullScaleWorks(): readonly Work[] {
  return [
    ablation(),
    modelTable('table2', UNCONDITIONAL, { batch: 512, samples: 50_000, guided: false }),
    modelTable('table3', CLASS_CONDITIONAL, { batch: 256, samples: 50_000, guided: true }),
    modelTable('table4', TEXT_TO_IMAGE, { batch: 256, samples: 30_000, guided: true }),
    drawing('table1', 5 * 10_000),
    drawing('fig1', 10_000),
    drawing('fig2', 1000),
    drawing('fig10', 1000),
  ];
}

/** Every model of a table; SD is distilled from the LDM of its data. */
function modelTable(
  name: string,
  models: readonly PublishedModel[],
  { batch, samples, guided }: { readonly batch: number; readonly samples: number; readonly guided: boolean },
): Work {
  const unets = presets as Readonly<Record<PresetName, UNetConfig>>;
  const teacher = (dataset: string) => {
    const ldm = models.find((one) => one.dataset === dataset && one.model === 'LDM');
    return ldm && unets[ldm.preset];
  };
  const sum = (macs: (model: PublishedModel) => number) => models.reduce((total, model) => total + macs(model), 0);
  return {
    name,
    what: `${models.length} models, ${STEPS.toLocaleString('en')} steps of ${batch}; ${samples.toLocaleString('en')} samples of each${guided ? ', guided' : ''}`,
    training: sum(({ dataset, model, preset }) =>
      trainingMacs({
        unet: unets[preset],
        teacher: model === 'SD' ? teacher(dataset) : undefined,
        batch,
        steps: STEPS,
      }),
    ),
    sampling: sum(({ preset }) => samplingMacs(unets[preset], samples, SAMPLING_STEPS, guided)),
  };
}

/** Samples of FFHQ's three models, which table2 trained. */
function drawing(name: string, samples: number): Work {
  const models: readonly UNetConfig[] = [presets['ldm-ffhq'], presets['lite-ffhq'], presets['sd-ffhq']];
  return {
    name,
    what: `${samples.toLocaleString('en')} samples of FFHQ’s LDM, Lite and SD, which table2 trains`,
    training: 0,
    sampling: models.reduce((sum, unet) => sum + samplingMacs(unet, samples, SAMPLING_STEPS), 0),
  };
}

/** The rows of both ablations with all their seeds, the open variants with one, and their teacher. */
function ablation(): Work {
  const photographs = { folder: 'photographs', firstStage: 'vq-f4' };
  const { project, size, milestones } = ablationSetting({ scale: 'full', seed: 0, folder: '.', photographs });
  const { models } = project;
  const unet = (name: string) => models[name].unet as unknown as UNetConfig;
  const runs = (name: string) => (SEEDED.some((row) => row.name === name) ? size.seeds : 1);
  const { batchSize: batch, steps, samples, samplingSteps } = size;
  const teacher = unet('teacher');
  let training = trainingMacs({ unet: teacher, batch: models.teacher.batchSize, steps: models.teacher.steps });
  let sampling = samplingMacs(teacher, samples, samplingSteps);
  for (const { name, distillation } of VARIANTS) {
    const own = trainingMacs({ unet: unet(name), teacher: distillation && teacher, batch, steps });
    training += runs(name) * own;
    sampling += runs(name) * milestones.length * samplingMacs(unet(name), samples, samplingSteps);
  }
  const count = VARIANTS.reduce((sum, { name }) => sum + runs(name), 0);
  return {
    name: 'table5',
    what: `the teacher and ${count} students, ${steps.toLocaleString('en')} steps of ${batch}; ${samples.toLocaleString('en')} samples at ${milestones.length} steps of each`,
    training,
    sampling,
  };
}
