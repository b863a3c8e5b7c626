import { type Safetensors, safetensorsPieces, type TensorView, toFloat32 } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import { withoutPrefix, withPrefix } from '@sd/nn';
import type { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import type { TrainingConfig } from '../config/schema';
import { writeAtomically } from '../files/atomic-file';
import { withSafetensors } from '../files/tensor-file';
import { UserError } from '../user-error';
import type { LossGuard } from './loss-guard';
import type { TrainingTask } from './task';

/** Raised when the meaning of a checkpoint's contents changes. */
const FORMAT = 'sd-training-1';

export type TrainingState = {
  readonly task: TrainingTask;
  readonly optimizer: AdamW;
  readonly average: ExponentialMovingAverage;
  readonly training: TrainingConfig;
  /** What it has seen so far belongs to the run. */
  readonly guard?: LossGuard;
};

/**
 * Writes everything that continues a training to the same numbers: weights, averages, moments, step, seed and
 * configuration. Random numbers are functions of seed and step, so these two are the random state.
 *
 * @throws {UserError} when it cannot be written, and when a value is not finite, which no further training mends; the
 * previous checkpoint is intact then.
 */
export async function saveCheckpoint(path: string, step: number, state: TrainingState): Promise<void> {
  const { task, optimizer, average, training, guard } = state;
  const tensors = new Map<string, TensorView>();
  const add = (entries: ReadonlyMap<string, TensorView>) => {
    for (const [name, view] of entries) tensors.set(name, view);
  };
  for (const [prefix, module] of Object.entries(task.modules)) add(withPrefix(await module.stateDict(), `${prefix}.`));
  add(withPrefix(await average.stateDict(), 'ema.'));
  add(withPrefix(await optimizer.stateDict(), 'optimizer.'));
  const broken = [...tensors].find(([, view]) => !toFloat32(view).every(Number.isFinite));
  if (broken) throw new UserError(`${task.label}: ${broken[0]} is not finite after ${step} steps; ${hint(path)}`);
  const metadata = {
    format: FORMAT,
    kind: task.kind,
    step: String(step),
    identity: JSON.stringify(task.identity),
    training: JSON.stringify(training),
    ...(guard?.isActive ? { guard: JSON.stringify(guard) } : {}),
  };
  await writeAtomically(path, safetensorsPieces(tensors, metadata));
}

/** What is left to do when a training has gone astray. @param path of the last checkpoint. */
export function hint(path: string): string {
  return `a smaller learningRate or maxGradientNorm may help; the last checkpoint, if there was one, is intact: ${path}`;
}

/**
 * Takes what `saveCheckpoint` wrote. The numbers of the training itself (steps, rates, decays) may have changed.
 *
 * @returns the number of steps done, and what has changed.
 * @throws {UserError} when the file is missing, broken, of another kind or of another model, data or seed.
 */
export async function loadCheckpoint(
  path: string,
  state: TrainingState,
): Promise<{ readonly step: number; readonly changed: readonly string[] }> {
  const { tensors, metadata } = await readCheckpointFile(path);
  const { task, optimizer, average, training } = state;
  if (metadata.format !== FORMAT || metadata.kind !== task.kind) {
    throw new UserError(
      `${path}: not a checkpoint of a ${task.kind}: its kind is "${metadata.kind ?? 'unknown'}", format "${metadata.format ?? 'unknown'}"`,
    );
  }
  const other = differences(parsed(path, 'identity', metadata.identity), task.identity);
  if (other.length > 0) {
    throw new UserError(`${path}: made with another configuration, so it cannot be resumed:\n  ${other.join('\n  ')}`);
  }
  const step = Number(metadata.step);
  if (!Number.isSafeInteger(step) || step < 0) throw new UserError(`${path}: step is "${metadata.step}"`);
  if (step > training.steps) {
    throw new UserError(`${path}: ${step} steps are done already, more than the configuration's ${training.steps}`);
  }
  try {
    for (const [prefix, module] of Object.entries(task.modules)) {
      module.loadStateDict(withoutPrefix(tensors, `${prefix}.`));
    }
    average.loadStateDict(withoutPrefix(tensors, 'ema.'));
    optimizer.loadStateDict(withoutPrefix(tensors, 'optimizer.'));
    if (metadata.guard !== undefined) state.guard?.restore(parsed(path, 'guard', metadata.guard));
  } catch (error) {
    throw error instanceof SpectralDiffusionError ? new UserError(`${path}: ${error.message}`) : error;
  }
  return { step, changed: differences(parsed(path, 'training', metadata.training), training) };
}

function parsed(path: string, what: string, text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    throw new UserError(`${path}: its ${what} cannot be read`);
  }
}

/**
 * Reads a safetensors file of any size, each tensor into an array of its own.
 * @throws {UserError} that names the file and what is wrong with it.
 */
export async function readCheckpointFile(path: string): Promise<Safetensors> {
  return withSafetensors(path, async (file) => {
    const tensors = new Map<string, TensorView>();
    for await (const [name, view] of file.tensors()) tensors.set(name, view);
    return { tensors, metadata: file.metadata };
  });
}

/** Names what two configurations differ in, by dotted path. */
export function differences(before: unknown, after: unknown, path = ''): string[] {
  if (isRecord(before) && isRecord(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => differences(before[key], after[key], path ? `${path}.${key}` : key));
  }
  const [was, is] = [JSON.stringify(before), JSON.stringify(after)];
  return was === is ? [] : [`${path}: was ${was ?? 'absent'}, is ${is ?? 'absent'}`];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
