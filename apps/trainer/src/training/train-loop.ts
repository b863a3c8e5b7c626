import { join } from 'node:path';
import { foldIn, type RandomKey } from '@sd/core';
import { AdamW, clipFactor, ExponentialMovingAverage, globalNorm, linearDecay, withWarmup } from '@sd/nn/optim';
import type { Scalar } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { StageFolder } from '../config/run-folder';
import type { TrainingConfig } from '../config/schema';
import type { OpenProgress, Progress } from '../console/progress';
import { checkWritable, removeTemporaryFiles, writeAtomically } from '../files/atomic-file';
import { imageGridFile } from '../report/image-grid';
import { UserError } from '../user-error';
import { accumulatedGradients, disposeGradients, drawsPerStep } from './accumulated-gradients';
import { hint, loadCheckpoint, saveCheckpoint } from './checkpoint';
import { CheckpointKeeper } from './checkpoint-keeper';
import { DeviceWatch } from './device-watch';
import { type DrawGradients, drawGradients, type LossAndGradients } from './draw-gradients';
import { EventFile } from './event-file';
import { LossGuard } from './loss-guard';
import { MetricsLog, type MetricsRow } from './metrics-log';
import { saveBatch } from './save-batch';
import type { DrawSnapshot, SnapshotFile } from './snapshot';
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
  /** Ends after this step as at the last one, but goes on from there when it is resumed: rates are those of all steps. */
  readonly until?: number | undefined;
  readonly openProgress: OpenProgress;
  /** Aborted by Ctrl-C: the step is finished and a checkpoint is written. */
  readonly signal?: AbortSignal;
  /** Takes lines for the user. */
  readonly report?: (line: string) => void;
  /** Draws what is looked at every `sampleEvery` steps. */
  readonly snapshot?: DrawSnapshot | undefined;
  /** Settles when the device is lost that all this runs on. */
  readonly lost?: Promise<string> | undefined;
};

export type TrainLoopResult = { readonly steps: number; readonly interrupted: boolean; readonly seconds: number };

/**
 * Trains with AdamW, linear decay, clipping and an average of the weights, which the task's module holds at the end
 * unless the loop was interrupted.
 *
 * @throws {UserError} when the folder cannot be written (before the first step), when a checkpoint does not fit, and
 * when the loss is not finite, unless such steps are to be left out. @throws {DeviceLostError} when the device is lost.
 * @throws the signal's reason when it is aborted before the first step.
 */
export async function trainLoop(task: TrainingTask, options: TrainLoopOptions): Promise<TrainLoopResult> {
  const { training, folder, key, resume, until, openProgress, signal, report, snapshot, lost } = options;
  signal?.throwIfAborted();
  const parameters = taskParameters(task);
  for (const [name, parameter] of parameters) {
    if (!parameter.isAllocated) parameter.initialize(foldIn(foldIn(key, 'init'), name));
  }
  const size = [...parameters.values()].reduce((sum, parameter) => sum + parameter.size, 0);
  await removeTemporaryFiles(folder.path);
  // weights, average and two moments, beside the previous checkpoints
  await checkWritable(folder.path, 2 * 16 * size);
  const optimizer = new AdamW(parameters, training);
  const average = new ExponentialMovingAverage(task.result.parameters(), training.emaDecay);
  const guard = new LossGuard(training);
  const keeper = new CheckpointKeeper(folder, training);
  const watch = new DeviceWatch(lost);
  const gradientsOf = drawGradients(task, parameters);
  let progress: Progress | undefined;
  try {
    const state = { task, optimizer, average, training, guard };
    const { step: first, changed } = resume ? await loadCheckpoint(folder.checkpoint, state) : NEW;
    if (resume) report?.(`continuing ${task.label} after ${first} steps`);
    for (const change of changed) report?.(`continuing with another ${change}`);
    const log = await MetricsLog.open(folder.metrics, first);
    const events = await EventFile.open(folder.path, first);
    const learningRate = withWarmup(linearDecay(training.learningRate, training.steps), training.warmupSteps);
    progress = openProgress(task.label, training.steps, 'step');
    const started = performance.now();
    const secondsBefore = log.earlier.at(-1)?.seconds ?? 0;
    const seconds = () => secondsBefore + (performance.now() - started) / 1000;
    const end = Math.min(training.steps, until ?? training.steps);
    let step = first;
    let hasCheckpoint = resume;
    const onDevice = <T>(work: Promise<T>) => watch.guard(work, () => hasCheckpoint);
    const save = async (done: number) => {
      await onDevice(saveCheckpoint(folder.checkpoint, done, state));
      hasCheckpoint = true;
      await keeper.keep(done, log.rows);
    };
    const leaks = new LeakWatch(task.label);
    progress.update(step);
    for (; step < end && !signal?.aborted; step++) {
      const looks = step % LOG_EVERY === 0 || step === end - 1;
      const context = { step, rate: learningRate(step), training, looks, folder, report };
      const row = await onDevice(
        guard.isActive ? guardedStep(state, gradientsOf, context) : trainStep(state, gradientsOf, context),
      );
      if (row) {
        await log.append([{ ...row, seconds: seconds() }]);
        await events.addScalars(step, scalarsOf(row));
        progress.update(step + 1, `loss ${row.loss.toFixed(4)}`);
      }
      if (step > first) leaks.check(step);
      const due = (step + 1) % training.checkpointEvery === 0;
      if (due && step + 1 < end) await save(step + 1);
      const shown = snapshot && training.sampleEvery !== undefined && (step + 1) % training.sampleEvery === 0;
      if (shown) await onDevice(takeSnapshot(step + 1, snapshot, average, folder, events));
      await new Promise(setImmediate); // lets Ctrl-C and progress through while a backend computes synchronously
    }
    if (step > first || !signal?.aborted) await save(step);
    if (!signal?.aborted) average.swap();
    return { steps: step, interrupted: signal?.aborted ?? false, seconds: seconds() };
  } finally {
    progress?.stop();
    gradientsOf.dispose();
    optimizer.dispose();
    average.dispose();
  }
}

/** What TensorBoard draws of a step. */
function scalarsOf({ loss, learningRate, gradientNorm, parts }: Row): Record<string, number> {
  const named = Object.entries(parts).map(([name, value]) => [`parts/${name}`, value]);
  return { loss, learning_rate: learningRate, gradient_norm: gradientNorm, ...Object.fromEntries(named) };
}

/** Looks at the averaged weights, and puts those in training back. */
async function takeSnapshot(
  step: number,
  draw: DrawSnapshot,
  average: ExponentialMovingAverage,
  folder: StageFolder,
  events: EventFile,
): Promise<void> {
  average.swap();
  const { images, columns, ...numbers } = await draw().finally(() => average.swap());
  try {
    const grid = await imageGridFile(images, columns === undefined ? {} : { columns });
    await writeAtomically(join(folder.snapshots, `step-${String(step).padStart(8, '0')}.png`), grid.png);
    const file: SnapshotFile = { step, ...numbers };
    await writeAtomically(folder.snapshot, `${JSON.stringify(file)}\n`);
    await events.addImage(step, 'samples', grid);
  } finally {
    images.dispose();
  }
}

/** Ends a run whose steps leave tensors behind, before they fill the memory. */
class LeakWatch {
  #start: { readonly step: number; readonly tensors: number; readonly bytes: number } | undefined;

  constructor(private readonly label: string) {}

  /** To be called after every step but the first, which makes what stays. */
  check(step: number): void {
    const { numTensors: tensors, numBytes: bytes } = tf.memory();
    this.#start ??= { step, tensors, bytes };
    const more = tensors - this.#start.tensors;
    if (more <= LEAK_ALLOWANCE) return;
    const steps = step - this.#start.step;
    const megabytes = ((bytes - this.#start.bytes) / 1e6).toFixed(1);
    throw new Error(
      `${this.label}: ${more} tensors leaked by step ${step}: ${(more / steps).toFixed(1)} a step, ${megabytes} MB in all`,
    );
  }
}

type State = {
  readonly task: TrainingTask;
  readonly optimizer: AdamW;
  readonly average: ExponentialMovingAverage;
  readonly guard: LossGuard;
};

type StepContext = {
  readonly step: number;
  readonly rate: number;
  readonly training: TrainingConfig;
  readonly folder: StageFolder;
  /** Read the loss back? */
  readonly looks: boolean;
  readonly report: ((line: string) => void) | undefined;
};

type Row = Omit<MetricsRow, 'seconds'>;

async function trainStep(
  { task, optimizer, average }: State,
  gradientsOf: DrawGradients,
  context: StepContext,
): Promise<Row | undefined> {
  const { step, rate, training, looks } = context;
  const accumulated = await accumulatedGradients(task, step, drawsPerStep(training), gradientsOf);
  const { gradients } = accumulated;
  // taken before the loss is read: where that is not finite the run ends, and with it these weights
  const norm = optimizer.clippedUpdate(gradients, { learningRate: rate, maxNorm: training.maxGradientNorm, average });
  try {
    const row = looks ? await readRow(step, accumulated, norm, rate) : undefined;
    if (row && !Number.isFinite(row.loss + row.gradientNorm)) {
      await stopped(task, row, context, `the loss is ${row.loss} and the gradient's norm ${row.gradientNorm}`);
    }
    return row;
  } finally {
    disposeGradients(accumulated);
    norm.dispose();
  }
}

/** A step that is looked at before it is taken. */
async function guardedStep(
  { task, optimizer, average, guard }: State,
  gradientsOf: DrawGradients,
  context: StepContext,
): Promise<Row | undefined> {
  const { step, training, looks, folder, report } = context;
  const rate = context.rate * guard.rateFactor;
  const draws = drawsPerStep(training);
  const accumulated = await accumulatedGradients(task, step, draws, gradientsOf);
  const norm = globalNorm(accumulated.gradients.values());
  const gradientScale = clipFactor(norm, training.maxGradientNorm);
  try {
    const row = await readRow(step, accumulated, norm, rate);
    const verdict = guard.judge(row.loss, row.gradientNorm);
    if (verdict.action === 'take') {
      optimizer.update(accumulated.gradients, { learningRate: rate, gradientScale, average });
      return looks ? row : undefined;
    }
    if (verdict.action === 'stop') await stopped(task, row, context, verdict.reason);
    const file = await saveBatch(folder.badBatches, task, { ...row, draws });
    report?.(`${task.label}, step ${step}: ${verdict.reason}; its batch is ${file}`);
    return undefined;
  } finally {
    disposeGradients(accumulated);
    tf.dispose([norm, gradientScale]);
  }
}

/** @throws {UserError} that says why the run ends; the data of the step are on disk. */
async function stopped(
  task: TrainingTask,
  row: Row,
  { training, folder }: StepContext,
  reason: string,
): Promise<never> {
  const file = await saveBatch(folder.badBatches, task, { ...row, draws: drawsPerStep(training) });
  throw new UserError(`${task.label}: ${reason} at step ${row.step} (its batch: ${file}); ${hint(folder.checkpoint)}`);
}

async function readRow(
  step: number,
  { value, parts }: LossAndGradients,
  norm: Scalar,
  learningRate: number,
): Promise<Row> {
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
