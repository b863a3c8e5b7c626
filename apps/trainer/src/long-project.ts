import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from './config/load-config';
import { Latents } from './data/latents';
import { writeAtomically } from './files/atomic-file';
import { readMetrics } from './training/metrics-log';
import { runModel } from './training/run-stages';
import { tinyContext, tinyLatents, tinyProjectSource } from './training/tiny-project';

/** For tests that interrupt the command: a project that trains for some seconds. @returns its YAML file. */
export async function writeLongProject(out: string, steps: number, checkpointEvery = 25): Promise<string> {
  const source = tinyProjectSource(out);
  const teacher = { ...source.models.teacher, steps, checkpointEvery };
  const file = join(out, 'project.yaml');
  await mkdir(out, { recursive: true });
  await writeAtomically(file, JSON.stringify({ ...source, models: { ...source.models, teacher } })); // JSON is YAML
  await tinyLatents().save(join(out, 'latents'));
  return file;
}

/** What `sd train` of the project gives without interruption, in this process. */
export async function trainWhole(out: string, steps: number, checkpointEvery?: number) {
  const config = await loadConfig(await writeLongProject(out, steps, checkpointEvery));
  const context = tinyContext(config);
  await runModel(context, 'teacher', await Latents.load(context.folder.latents));
  return readStage(out);
}

/** The files of the trained model, without what depends on the clock. */
export async function readStage(out: string) {
  const file = (name: string) => join(out, 'teacher', name);
  return {
    checkpoint: await readFile(file('checkpoint.safetensors')),
    weights: await readFile(file('model.safetensors')),
    rows: (await readMetrics(file('metrics.jsonl'))).map(({ seconds: _, ...row }) => row),
  };
}

/** Waits until so many rows of the log are there: the training is under way. */
export function waitForRows(out: string, count: number): Promise<void> {
  return waitUntil(async () => (await readMetrics(join(out, 'teacher', 'metrics.jsonl'))).length >= count);
}

/** Looks again and again, for two minutes. */
export async function waitUntil(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('the training did not get under way');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
