import { readFile } from 'node:fs/promises';
import { CheckpointError, readSafetensors, type TensorView, writeSafetensors } from '@sd/checkpoint';
import { withoutPrefix, withPrefix } from '@sd/nn';
import type { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import { writeAtomically } from '../files/atomic-file';
import { UserError } from '../user-error';
import type { TrainingTask } from './task';

/** Raised when the meaning of a checkpoint's contents changes. */
const FORMAT = 'sd-training-1';

export type TrainingState = {
  readonly task: TrainingTask;
  readonly optimizer: AdamW;
  readonly average: ExponentialMovingAverage;
};

/**
 * Writes everything that continues a training to the same numbers: weights, averages, moments, step and seed. Random
 * numbers are functions of seed and step, so these two are the random state.
 *
 * @throws {UserError} when it cannot be written; the previous checkpoint is intact then.
 */
export async function saveCheckpoint(path: string, step: number, state: TrainingState): Promise<void> {
  const { task, optimizer, average } = state;
  const tensors = new Map<string, TensorView>();
  const add = (entries: ReadonlyMap<string, TensorView>) => {
    for (const [name, view] of entries) tensors.set(name, view);
  };
  for (const [prefix, module] of Object.entries(task.modules)) add(withPrefix(await module.stateDict(), `${prefix}.`));
  add(withPrefix(await average.stateDict(), 'ema.'));
  add(withPrefix(await optimizer.stateDict(), 'optimizer.'));
  const metadata = { format: FORMAT, kind: task.kind, step: String(step), identity: JSON.stringify(task.identity) };
  await writeAtomically(path, writeSafetensors(tensors, metadata));
}

/**
 * Takes what `saveCheckpoint` wrote.
 * @returns the number of steps done.
 * @throws {UserError} when the file is missing, broken, of another kind or of another project, before anything is
 * changed.
 */
export async function loadCheckpoint(path: string, state: TrainingState): Promise<number> {
  const { tensors, metadata } = await readCheckpointFile(path);
  const { task, optimizer, average } = state;
  if (metadata.format !== FORMAT || metadata.kind !== task.kind) {
    throw new UserError(
      `${path}: not a checkpoint of ${task.kind}: its kind is "${metadata.kind ?? 'unknown'}", format "${metadata.format ?? 'unknown'}"`,
    );
  }
  const changed = differences(JSON.parse(metadata.identity ?? '{}'), task.identity);
  if (changed.length > 0) {
    throw new UserError(
      `${path}: made with another configuration, so it cannot be resumed:\n  ${changed.join('\n  ')}`,
    );
  }
  const step = Number(metadata.step);
  if (!Number.isSafeInteger(step) || step < 0) throw new UserError(`${path}: step is "${metadata.step}"`);
  for (const [prefix, module] of Object.entries(task.modules)) {
    module.loadStateDict(withoutPrefix(tensors, `${prefix}.`));
  }
  average.loadStateDict(withoutPrefix(tensors, 'ema.'));
  optimizer.loadStateDict(withoutPrefix(tensors, 'optimizer.'));
  return step;
}

/** Reads a safetensors file whole. @throws {UserError} that names the file and what is wrong with it. */
export async function readCheckpointFile(path: string): Promise<ReturnType<typeof readSafetensors>> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`cannot read ${path}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`);
  });
  try {
    return readSafetensors(bytes);
  } catch (error) {
    if (error instanceof CheckpointError) throw new UserError(`${path}: ${error.message}`);
    throw error;
  }
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
