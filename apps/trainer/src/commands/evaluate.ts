import { dirname, join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { interruptSignal } from '../console/interrupt';
import { type OpenProgress, openProgressBar } from '../console/progress';
import type { ImageDataset } from '../data/image-dataset';
import { openDataset } from '../data/open-dataset';
import { compareSets } from '../evaluation/compare-sets';
import { type Evaluated, openEvaluatedImages, openEvaluatedModel, openFolder } from '../evaluation/evaluated';
import type { Evaluation } from '../evaluation/evaluation';
import { EVALUATION_FILE, readEvaluation, writeEvaluation } from '../evaluation/evaluation-file';
import { evaluationTable, mismatches } from '../evaluation/evaluation-table';
import { openFeatureExtractor } from '../evaluation/feature-extractor';
import { datasetImages } from '../evaluation/image-set';
import { checkEnough } from '../evaluation/measure';
import { ReferenceCache } from '../evaluation/reference-cache';
import { checkWritable } from '../files/atomic-file';
import { openFirstStageWeights } from '../files/first-stage-file';
import type { SigmaSpacing } from '../sampling/samplers';
import { firstStageWeights, modelWeights, openProjectModel, type StageContext } from '../training/run-stages';
import { UserError } from '../user-error';
import { type ProjectOptions, say, withBackend, withProject } from './context';

export type EvaluateOptions = Partial<ProjectOptions> & {
  readonly model: string;
  readonly weights?: string;
  readonly firstStage?: string;
  /** A folder of finished images, in place of a model's samples. */
  readonly images?: string;
  /** A folder of images to hold against, in place of the project's data. */
  readonly reference?: string;
  /** Pixels that pictures of folders are scaled to. */
  readonly size?: number;
  /** Samples to draw, or images of the folder to take. */
  readonly count?: number;
  readonly referenceCount?: number;
  readonly sampler?: string;
  readonly sigmas?: SigmaSpacing;
  readonly steps?: number;
  readonly eta?: number;
  readonly guidance?: number;
  /** pytorch-fid's weights, which make the Frechet distance an FID. */
  readonly inception?: string;
  readonly batchSize: number;
  readonly single: number;
  readonly throughputBatch: number;
  /** 0 leaves the throughput out. */
  readonly throughputRuns: number;
  /** A folder to keep the samples in. */
  readonly keep?: string;
  /** Where reference statistics are kept. */
  readonly cache?: string;
  /** The JSON file. */
  readonly output?: string;
};

/** Samples that are drawn where neither option nor folder says how many. */
const DEFAULT_COUNT = 1000;

/** Where reference statistics are kept, beside the results. */
const CACHE_FOLDER = 'reference-statistics';

/**
 * `sd evaluate --config FILE --model NAME` draws samples and measures them against the project's data; `--images
 * FOLDER --reference FOLDER --size N` measures finished images; `sd evaluate A B` puts results side by side.
 * @returns what is printed: the table.
 */
export async function evaluate(runs: readonly string[], options: EvaluateOptions): Promise<string> {
  if (runs.length > 0) return besideEachOther(runs, options);
  const { config, images, reference, size } = options;
  let table = '';
  if (config !== undefined) {
    await withProject({ ...options, config }, async (context) => {
      table = await evaluateProject(context, options);
    });
    return table;
  }
  if (images === undefined || reference === undefined || size === undefined) {
    throw new UserError(
      'evaluate: give --config, or --images, --reference and --size, or the results of runs to put side by side',
    );
  }
  return withBackend(options.backend ?? 'auto', async () => {
    const { signal, stop } = interruptSignal();
    try {
      return await evaluateFolders({ ...options, images, reference, size }, signal);
    } finally {
      stop();
    }
  });
}

async function besideEachOther(runs: readonly string[], options: EvaluateOptions): Promise<string> {
  if (options.config !== undefined || options.images !== undefined) {
    throw new UserError('evaluate: results of runs go without --config and --images');
  }
  const evaluations: Evaluation[] = [];
  for (const run of runs) evaluations.push(await readEvaluation(run));
  const areNamed = new Set(evaluations.map(({ name }) => name)).size === runs.length;
  const named = evaluations.map((one, i) => (areNamed ? one : { ...one, name: runs[i] }));
  for (const mismatch of mismatches(named)) say(`not comparable: ${mismatch}`);
  return evaluationTable(named);
}

async function evaluateProject(
  context: StageContext & { readonly signal: AbortSignal },
  options: EvaluateOptions,
): Promise<string> {
  const { config, folder, openProgress, signal } = context;
  const { model: name, images } = options;
  const output = options.output ?? join(folder.stage(name).path, EVALUATION_FILE);
  const data = 'flip' in config.data ? { ...config.data, flip: false } : config.data;
  return finish({
    options,
    output,
    cacheFolder: join(folder.root, CACHE_FOLDER),
    openProgress,
    signal,
    openReference: () =>
      options.reference === undefined
        ? openDataset(data, config.seed, openProgress, say, signal)
        : openFolder(options.reference, options.size ?? config.data.size, openProgress, signal),
    openEvaluated: (size) =>
      images === undefined
        ? openEvaluatedModel({
            ...options,
            name,
            ...openers(context, name, options),
            size,
            count: options.count ?? DEFAULT_COUNT,
            steps: options.steps ?? config.sampling.steps,
            seed: config.seed,
            defaultEta: config.sampling.eta,
            guidance: options.guidance ?? config.sampling.guidance,
            signal,
          })
        : openEvaluatedImages(images, size, options.count, openProgress, signal),
  });
}

/** How a project's model and its first stage are opened, whichever project's weights they have. */
function openers(context: StageContext, name: string, options: EvaluateOptions) {
  const weights = options.weights ?? modelWeights(context, name);
  const firstStage = options.firstStage ?? firstStageWeights(context);
  return {
    weights,
    open: () => openProjectModel(context, name, weights),
    openFirstStage: () => openFirstStageWeights(firstStage, context.config.firstStage.model),
  };
}

async function evaluateFolders(
  options: EvaluateOptions & { readonly images: string; readonly reference: string; readonly size: number },
  signal: AbortSignal,
): Promise<string> {
  const { images, reference, size, count } = options;
  const output = resolve(options.output ?? EVALUATION_FILE);
  return finish({
    options,
    output,
    cacheFolder: join(dirname(output), CACHE_FOLDER),
    openProgress: openProgressBar,
    signal,
    openReference: () => openFolder(reference, size, openProgressBar, signal),
    openEvaluated: () => openEvaluatedImages(images, size, count, openProgressBar, signal),
  });
}

type Plan = {
  readonly options: EvaluateOptions;
  readonly output: string;
  readonly cacheFolder: string;
  readonly openProgress: OpenProgress;
  readonly signal: AbortSignal;
  openReference(): Promise<ImageDataset>;
  openEvaluated(size: number): Promise<Evaluated>;
};

async function finish(plan: Plan): Promise<string> {
  const { options, output, openProgress, signal } = plan;
  await checkWritable(dirname(output), 0);
  const extractor = await openFeatureExtractor(options.inception);
  const owned: { dispose(): void }[] = [extractor];
  try {
    const reference = datasetImages(await plan.openReference(), options.referenceCount);
    checkEnough('the reference', reference.length);
    const evaluated = await plan.openEvaluated(reference.size);
    owned.push(evaluated);
    checkEnough(evaluated.name, evaluated.set.length);
    const comparison = await compareSets(evaluated.set, reference, {
      extractor,
      cache: new ReferenceCache(options.cache ?? plan.cacheFolder),
      batchSize: options.batchSize,
      keptRows: options.single,
      openProgress,
      signal,
      report: say,
    });
    const { throughputBatch, throughputRuns } = options;
    const throughput = throughputRuns > 0 ? await evaluated.throughput(throughputBatch, throughputRuns) : undefined;
    const evaluation: Evaluation = {
      format: 'sd-evaluation-1',
      name: evaluated.name,
      date: new Date().toISOString(),
      backend: tf.getBackend(),
      ...comparison,
      ...evaluated.facts,
      ...(throughput ? { throughput } : {}),
    };
    await writeEvaluation(output, evaluation);
    say(output);
    return evaluationTable([evaluation]);
  } finally {
    for (const one of owned) one.dispose();
  }
}
