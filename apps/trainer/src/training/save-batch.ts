import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { float32View, safetensorsPieces, type TensorView } from '@sd/checkpoint';
import * as tf from '@tensorflow/tfjs-core';
import { writeAtomically } from '../files/atomic-file';
import type { TrainingTask } from './task';

/** Batches that are kept; those of earlier steps go first. */
const KEPT = 20;

export type BadBatch = {
  readonly step: number;
  /** Draws that the step is made of. */
  readonly draws: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
};

/**
 * Draws the data of a step again, which is a function of its number, and writes it for inspection: every tensor of the
 * batch under `draw.NAME`, what went wrong in the metadata.
 * @param folder where such batches lie. @returns the file.
 * @throws {UserError} when it cannot be written.
 */
export async function saveBatch(folder: string, task: TrainingTask, bad: BadBatch): Promise<string> {
  const path = join(folder, `step-${String(bad.step).padStart(8, '0')}.safetensors`);
  const views = new Map<string, TensorView>();
  for (let i = 0; i < bad.draws; i++) {
    const batch = await task.batch(bad.step * bad.draws + i);
    try {
      for (const [name, tensor] of Object.entries(batch)) {
        views.set(`${i}.${name}`, float32View(Float32Array.from(await tensor.data()), tensor.shape));
      }
    } finally {
      tf.dispose(Object.values(batch));
    }
  }
  const metadata = Object.fromEntries(Object.entries(bad).map(([name, value]) => [name, String(value)]));
  await writeAtomically(path, safetensorsPieces(views, { format: 'sd-batch-1', task: task.label, ...metadata }));
  const files = (await readdir(folder)).filter((name) => /^step-\d+\.safetensors$/.test(name)).sort();
  for (const name of files.slice(0, -KEPT)) await rm(join(folder, name), { force: true });
  return path;
}
