import { existsSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { foldIn, randomKey } from '@sd/core';
import { frechetDistance } from '@sd/metrics';
import { schedulerFromConfig } from '@sd/schedulers';
import { frequencyErrors } from '@sd/spectral-loss';
import { stringify } from 'yaml';
import { z } from 'zod';
import { RunFolder } from '../../../config/run-folder';
import type { ProjectConfig } from '../../../config/schema';
import { generatedImages } from '../../../evaluation/generated-images';
import { gatherStatistics } from '../../../evaluation/set-statistics';
import { writeAtomically } from '../../../files/atomic-file';
import { withSafetensors } from '../../../files/tensor-file';
import { loadDiffusionModel } from '../../../files/weights-file';
import { readMetrics } from '../../../training/metrics-log';
import { keepTeacherOutputs, modelWeights, openFirstStage, runModel } from '../../../training/run-stages';
import { type Piece, Pieces } from '../../pieces';
import type { ReproductionContext } from '../../reproduction';
import type { AblationData } from './ablation-data';
import type { AblationSetting } from './ablation-setting';

/** Of the samples of a model. */
export const measured = z.object({
  frechet: z.number(),
  high: z.number(),
  low: z.number(),
  /** Of training up to here. */
  seconds: z.number(),
});
export type Measured = z.infer<typeof measured>;

/** A training that is finished. */
export const trained = z.object({ steps: z.number() });

/** A teacher's outputs, kept. */
const kept = z.object({ examples: z.number() });

/** Of those that learn from the teacher, the one that is compared with it in all places. */
const MOST_FEATURES = 'full';

/** Of the steps, at their end. */
const ERROR_PART = 0.2;

/** Models of a seed, all of which see the same examples, times and noise. */
export class AblationSeed {
  readonly #config: ProjectConfig;
  readonly #folder: RunFolder;
  readonly #measurements: Pieces;
  readonly #outputs: Pieces;
  readonly #finished: Pieces;

  constructor(
    private readonly context: ReproductionContext,
    private readonly setting: AblationSetting,
    private readonly data: AblationData,
    readonly seed: number,
    /** Before the names of its pieces, where they share a folder with those of another setting. */
    private readonly prefix = '',
  ) {
    const { folder, project, milestones, examples } = setting;
    const steps = milestones[milestones.length - 1];
    const drawn = examples === undefined ? '' : `-examples-${examples}`;
    this.#folder = new RunFolder(join(folder, 'models', `steps-${steps}${drawn}-seed-${seed}`));
    const models = examples === undefined ? project.models : this.#keepingOutputs(examples);
    this.#config = { ...project, out: this.#folder.root, seed, models: { ...models, teacher: this.#teacher() } };
    const measurements = join(context.folder, 'pieces', 'measured');
    this.#measurements = new Pieces(measurements, context.signal);
    this.#outputs = new Pieces(join(context.folder, 'pieces', 'outputs'), context.signal);
    this.#finished = new Pieces(measurements, context.signal, 'none');
  }

  /** The teacher's weights are not of a seed. */
  #teacher() {
    const { folder, project, trainsTeacher } = this.setting;
    const { teacher } = project.models;
    return trainsTeacher ? { ...teacher, weights: new RunFolder(folder).stage('teacher').weights } : teacher;
  }

  /** Students of every number of steps share what the teacher says of a seed's examples. */
  #keepingOutputs(examples: number): ProjectConfig['models'] {
    const { folder, project } = this.setting;
    const cache = {
      folder: join(folder, 'outputs', `examples-${examples}-seed-${this.seed}`),
      fill: 'before',
    } as const;
    return Object.fromEntries(
      Object.entries(project.models).map(([name, { distillation, ...model }]) => [
        name,
        { ...model, ...(distillation ? { distillation: { ...distillation, cache } } : {}) },
      ]),
    );
  }

  /** Asks the teacher, by the student that wants most of it. */
  #keptOutputs(examples: number): Piece<z.infer<typeof kept>> {
    const { openProgress, signal, report } = this.context;
    const run = { config: this.#config, folder: this.#folder, resume: false, precision: 'float16' } as const;
    return {
      name: `outputs-seed${this.seed}`,
      settings: { examples, seed: this.seed, ...this.#taughtBy() },
      compute: async () => {
        await keepTeacherOutputs({ ...run, openProgress, signal, report }, MOST_FEATURES, this.data.values);
        return { examples };
      },
    };
  }

  /** Training and measuring a student. @param milestones steps after which it is measured. */
  training(name: string, milestones = this.setting.milestones): Piece<z.infer<typeof trained>> {
    const { distillation } = this.#config.models[name];
    const teacher = modelWeights({ config: this.#config, folder: this.#folder }, 'teacher');
    return {
      name: `${this.prefix}${name}-seed${this.seed}`,
      settings: milestones.map((at) => this.#settings(name, at)),
      ready: () => distillation === undefined || existsSync(teacher),
      compute: async () => {
        await this.#writeProject();
        const { examples } = this.setting;
        // by one process, while the others wait
        if (distillation && examples !== undefined) await this.#outputs.all(kept, [this.#keptOutputs(examples)]);
        for (const at of milestones) await this.#measurements.all(measured, [this.#measurement(name, at)]);
        return { steps: milestones[milestones.length - 1] };
      },
    };
  }

  /** What has been measured of a student, by steps. */
  async measurements(name: string): Promise<Map<number, Measured>> {
    const wanted = this.setting.milestones.map((at) => [at, this.#measurement(name, at)] as const);
    const found = await this.#finished.some(
      measured,
      wanted.map(([, piece]) => piece),
    );
    return new Map(
      wanted.flatMap(([at, piece]): [number, Measured][] => {
        const value = found.get(piece.name);
        return value ? [[at, value]] : [];
      }),
    );
  }

  /**
   * The squared error of a finished student's prediction alone, over the last fifth of its steps: students of a seed saw the
   * same examples. Known where its log is.
   */
  async predictionError(name: string): Promise<number | undefined> {
    const { milestones } = this.setting;
    const steps = milestones[milestones.length - 1];
    const rows = await readMetrics(this.#folder.stage(name).metrics);
    if (rows.at(-1)?.step !== steps - 1) return undefined;
    const from = Math.min((1 - ERROR_PART) * steps, steps - 1);
    const errors = rows.filter(({ step }) => step >= from).map(({ parts }) => parts.diffusion);
    return errors.reduce((sum, error) => sum + error, 0) / errors.length;
  }

  #measurement(name: string, at: number): Piece<Measured> {
    return {
      name: `${this.prefix}${name}-seed${this.seed}-at-${at}`,
      settings: this.#settings(name, at),
      compute: async () => {
        const stage = this.#folder.stage(name);
        const { openProgress, signal, report } = this.context;
        // A checkpoint from beyond is of another run: nothing leads back from it.
        const resume = (await checkpointStep(stage.checkpoint)) <= at;
        const { interrupted, seconds } = await runModel(
          {
            config: this.#config,
            folder: this.#folder,
            resume,
            until: at,
            precision: 'float16',
            openProgress,
            signal,
            report,
          },
          name,
          this.data.values,
        );
        if (interrupted) throw signal.reason;
        return { ...(await measureModel(this.context, this.setting, this.data, stage.weights, this.seed)), seconds };
      },
    };
  }

  /** Paths and how often a checkpoint is written are not among what a result depends on. */
  #settings(name: string, at: number) {
    const { size, project } = this.setting;
    const { checkpointEvery: _, ...model } = project.models[name];
    const { samples, samplingSteps, references } = size;
    const { data, teacher } = this.#taughtBy();
    return {
      model,
      at,
      seed: this.seed,
      ...(model.distillation ? { teacher } : {}),
      data,
      samples,
      samplingSteps,
      references,
    };
  }

  #taughtBy() {
    const { trainsTeacher, project } = this.setting;
    const { weights: _, checkpointEvery: __, ...teacher } = project.models.teacher;
    const { latents, firstStage } = this.data;
    return { teacher: trainsTeacher ? teacher : 'shipped', data: { latents, firstStage } };
  }

  /** For figures of these models: `--models` names the folder. */
  async #writeProject(): Promise<void> {
    const { root, latents } = this.#folder;
    const own = (path: string) => relative(root, path);
    const { firstStage } = this.#config;
    const { models } = this.setting.project; // where outputs are kept is of this machine
    const { weights } = firstStage;
    const { teacher } = this.#config.models;
    await mkdir(root, { recursive: true });
    const project = {
      ...this.#config,
      out: '.',
      firstStage: { ...firstStage, ...(weights === undefined ? {} : { weights: own(weights) }) },
      models: { ...models, teacher: { ...teacher, ...(teacher.weights ? { weights: own(teacher.weights) } : {}) } },
    };
    await writeAtomically(join(root, 'project.yaml'), stringify(project));
    const shared = relative(dirname(latents), new RunFolder(this.setting.folder).latents);
    await symlink(shared, latents).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** Samples of a finished model against the data. */
export async function measureModel(
  { openProgress, signal }: ReproductionContext,
  { size, project, folder }: AblationSetting,
  { pixels, reference, extractor }: AblationData,
  weights: string,
  seed: number,
): Promise<Omit<Measured, 'seconds'>> {
  const { samples: count, samplingSteps: steps, evaluationBatch: batchSize } = size;
  const { unet, denoiser, metadata } = await loadDiffusionModel(weights);
  const progress = openProgress('measure samples', count, 'image');
  try {
    const autoencoder = await openFirstStage({ config: project, folder: new RunFolder(folder) });
    try {
      const scheduler = schedulerFromConfig(metadata.scheduler);
      const pipeline = { unet, scheduler, autoencoder, scaleFactor: metadata.scaleFactor };
      const key = foldIn(randomKey(seed), 'table5');
      const drawing = { description: `${count} samples`, count, steps, eta: 0, key, signal };
      const own = await gatherStatistics(generatedImages(pipeline, pixels, drawing), extractor, {
        batchSize: Math.min(batchSize, count),
        keptRows: 1,
        onProgress: (done) => progress.update(done),
        signal,
      });
      const errors = await frequencyErrors(own.spectrum, reference.spectrum);
      return { frechet: frechetDistance(own.features, reference.features), ...errors };
    } finally {
      autoencoder.dispose();
    }
  } finally {
    progress.stop();
    denoiser.dispose();
  }
}

/** Steps that a checkpoint has behind it; more than any where there is none. */
async function checkpointStep(path: string): Promise<number> {
  if (!existsSync(path)) return Number.POSITIVE_INFINITY;
  return withSafetensors(path, async ({ metadata }) => Number(metadata.step));
}
