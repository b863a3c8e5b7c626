import { foldIn, type RandomKey } from '@sd/core';
import { AdamW, ExponentialMovingAverage, linearDecay, withWarmup } from '@sd/nn/optim';
import type { Scalar } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { StageFolder } from '../config/run-folder';
import type { TrainingConfig } from '../config/schema';
import type { OpenProgress, Progress } from '../console/progress';
import { checkWritable } from '../files/atomic-file';
import { UserError } from '../user-error';
import { accumulatedGradients, disposeGradients, drawsPerStep } from './accumulated-gradients';
import { hint, loadCheckpoint, saveCheckpoint } from './checkpoint';
import { MetricsLog, type MetricsRow } from './metrics-log';
import { type TrainingTask, taskParameters } from './task';

/** Steps between two looks at the loss. Looking costs a synchronization with the device. */
const LOG_EVERY = 10;
/** Tensors that a step may leave behind before the loop calls it a leak. */
const LEAK_ALLOWANCE = 50;
/** Where a training that is not resumed begins. */
const NEW = { step: 0, changed: [] } as const;

export type TrainLoopOptions = {
  readonly training: TrainingConfig;
  readonly folder: StageFolder;
  readonly key: RandomKey;
  /** Continue from the folder's checkpoint. */
  readonly resume: boolean;
  readonly openProgress: OpenProgress;
  /** Aborted by Ctrl-C: the step is finished and a checkpoint is written. */
  readonly signal?: AbortSignal;
  /** Takes lines for the user. */
  readonly report?: (line: string) => void;
};

export type TrainLoopResult = { readonly steps: number; readonly interrupted: boolean; readonly seconds: number };

/**
 * Trains with AdamW, linear decay, clipping and an average of the weights, which the task's module holds at the end
 * unless the loop was interrupted.
 *
 * @throws {UserError} when the folder cannot be written (before the first step), when a checkpoint does not fit, and
 * when the loss is not finite. @throws the signal's reason when it is aborted before the first step.
 */
export async function trainLoop(task: TrainingTask, options: TrainLoopOptions): Promise<TrainLoopResult> {
  const { training, folder, key, resume, openProgress, signal, report } = options;
  signal?.throwIfAborted();
  const parameters = taskParameters(task);
  for (const [name, parameter] of parameters) {
    if (!parameter.isAllocated) parameter.initialize(foldIn(foldIn(key, 'init'), name));
  }
  const size = [...parameters.values()].reduce((sum, parameter) => sum + parameter.size, 0);
  await checkWritable(folder.path, 2 * 16 * size); // weights, average and two moments, beside the previous checkpoint
  const optimizer = new AdamW(parameters, training);
  const average = new ExponentialMovingAverage(task.result.parameters(), training.emaDecay);
  let progress: Progress | undefined;
  try {
    const state = { task, optimizer, average, training };
    const { step: first, changed } = resume ? await loadCheckpoint(folder.checkpoint, state) : NEW;
    if (resume) report?.(`continuing ${task.label} after ${first} steps`);
    for (const change of changed) report?.(`continuing with another ${change}`);
    const log = await MetricsLog.open(folder.metrics, first);
    const learningRate = withWarmup(linearDecay(training.learningRate, training.steps), training.warmupSteps);
    progress = openProgress(task.label, training.steps, 'step');
    const started = performance.now();
    const secondsBefore = log.earlier.at(-1)?.seconds ?? 0;
    const seconds = () => secondsBefore + (performance.now() - started) / 1000;
    let step = first;
    let tensorsAtStart = 0;
    progress.update(step);
    for (; step < training.steps && !signal?.aborted; step++) {
      const looks = step % LOG_EVERY === 0 || step === training.steps - 1;
      const rate = learningRate(step);
      const row = await trainStep(task, state, parameters, {
        step,
        rate,
        training,
        looks,
        checkpoint: folder.checkpoint,
      });
      if (row) {
        await log.append([{ ...row, seconds: seconds() }]);
        progress.update(step + 1, `loss ${row.loss.toFixed(4)}`);
      }
      if (step === first + 1) tensorsAtStart = tf.memory().numTensors;
      if (step > first + 1 && tf.memory().numTensors > tensorsAtStart + LEAK_ALLOWANCE) {
        throw new Error(`${task.label}: ${tf.memory().numTensors - tensorsAtStart} tensors leaked by step ${step}`);
      }
      const due = (step + 1) % training.checkpointEvery === 0;
      if (due && step + 1 < training.steps) await saveCheckpoint(folder.checkpoint, step + 1, state);
      await new Promise(setImmediate); // lets Ctrl-C and progress through while a backend computes synchronously
    }
    if (step > first || !signal?.aborted) await saveCheckpoint(folder.checkpoint, step, state);
    if (!signal?.aborted) average.swap();
    return { steps: step, interrupted: signal?.aborted ?? false, seconds: seconds() };
  } finally {
    progress?.stop();
    optimizer.dispose();
    average.dispose();
  }
}

type StepContext = {
  readonly step: number;
  readonly rate: number;
  readonly training: TrainingConfig;
  /** Where the last checkpoint is. */
  readonly checkpoint: string;
  /** Read the loss back? */
  readonly looks: boolean;
};

async function trainStep(
  task: TrainingTask,
  { optimizer, average }: { readonly optimizer: AdamW; readonly average: ExponentialMovingAverage },
  parameters: ReturnType<typeof taskParameters>,
  { step, rate, training, looks, checkpoint }: StepContext,
): Promise<Omit<MetricsRow, 'seconds'> | undefined> {
  const accumulated = await accumulatedGradients(task, step, drawsPerStep(training), parameters);
  const { value, gradients, parts } = accumulated;
  // taken before the loss is read: where that is not finite the run ends, and with it these weights
  const norm = optimizer.clippedUpdate(gradients, { learningRate: rate, maxNorm: training.maxGradientNorm, average });
  try {
    const row = looks ? await readRow(step, value, norm, rate, parts) : undefined;
    if (row && !Number.isFinite(row.loss + row.gradientNorm)) {
      throw new UserError(
        `${task.label}: the loss is ${row.loss} and the gradient's norm ${row.gradientNorm} at step ${step}; ${hint(checkpoint)}`,
      );
    }
    return row;
  } finally {
    disposeGradients(accumulated);
    norm.dispose();
  }
}

async function readRow(
  step: number,
  value: Scalar,
  norm: Scalar,
  learningRate: number,
  parts: Readonly<Record<string, Scalar>>,
): Promise<Omit<MetricsRow, 'seconds'>> {
  const read = async (scalar: Scalar) => (await scalar.data())[0];
  const values = await Promise.all(
    Object.entries(parts).map(async ([name, part]) => [name, await read(part)] as const),
  );
  return {
    step,
    loss: await read(value),
    gradientNorm: await read(norm),
    learningRate,
    parts: Object.fromEntries(values),
  };
}
