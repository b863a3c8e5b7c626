/**
 * What a step of a student costs with its teacher asked, and with the teacher's outputs read, on WebAssembly: the demo's SD and
 * teacher, batches of 32.
 *   npx pnpm@10 bench:teacher-outputs
 * Seconds are of the processor, which other programs disturb little, and of the clock.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import '@tensorflow/tfjs';
import { useBackend } from '@sd/backend';
import { normalArray, randomKey } from '@sd/core';
import { RunFolder } from '../apps/trainer/src/config/run-folder';
import type { OpenProgress } from '../apps/trainer/src/console/progress';
import { Latents } from '../apps/trainer/src/data/latents';
import { demoConfig, pretrained } from '../apps/trainer/src/demo/demo-config';
import { loadDiffusionModel } from '../apps/trainer/src/files/weights-file';
import { runModel } from '../apps/trainer/src/training/run-stages';
import { JobClock, type Times } from './lib/job-clock';

const EXAMPLES = 2048;
const STEPS = 61;
/** Steps before this one warm up. */
const FROM = 11;

const folder = await mkdtemp(join(tmpdir(), 'sd-bench-'));
try {
  await useBackend('wasm');
  const { denoiser, metadata } = await loadDiffusionModel(pretrained('teacher'));
  denoiser.dispose();
  const shape = [256, 8, 8, 4] as const;
  const values = Float32Array.from(normalArray(randomKey(1), 256 * 8 * 8 * 4));
  const latents = new Latents(values, shape, metadata.scaleFactor, 'noise in place of latents');
  const outputs = join(folder, 'outputs');
  console.log('student and teacher of the demo, seconds a step of 32, of the processor (of the clock)');
  for (const round of [1, 2, 3]) {
    const asked = await run(`asked-${round}`, latents, undefined);
    const first = await run(`first-${round}`, latents, join(outputs, String(round)));
    const read = await run(`read-${round}`, latents, join(outputs, String(round)));
    const filling = first.filling as Times;
    console.log(
      `teacher asked ${told(asked.step)}; outputs read ${told(read.step)}: ${(asked.step.processor / read.step.processor).toFixed(2)} times as fast; ${EXAMPLES} outputs kept in ${told(filling)}`,
    );
  }
  const files = await readdir(join(outputs, '1'));
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(outputs, '1', file))).size));
  const bytes = sizes.reduce((a, b) => a + b);
  console.log(`${(bytes / 1e6).toFixed(1)} MB on disk, ${(bytes / EXAMPLES).toFixed(0)} bytes an example`);
} finally {
  await rm(folder, { recursive: true });
}

/** Trains the student for a few steps. */
async function run(name: string, latents: Latents, outputs: string | undefined) {
  const config = demoConfig({ out: join(folder, name), seed: 0 });
  const { sd } = config.models;
  const model = {
    ...sd,
    steps: STEPS,
    examples: EXAMPLES,
    distillation: { ...sd.distillation!, ...(outputs ? { cache: { folder: outputs, fill: 'before' as const } } : {}) },
  };
  const [steps, filling] = [new JobClock(FROM), new JobClock(0)];
  const openProgress: OpenProgress = (label) => {
    const watch = label === 'ask the teacher' ? filling : steps;
    return { update: (done) => watch.look(done), stop: () => {} };
  };
  const project = { ...config, models: { ...config.models, sd: model } };
  const context = { config: project, folder: new RunFolder(config.out), resume: false, openProgress };
  await runModel({ ...context, precision: 'float32' }, 'sd', latents);
  return { step: steps.perUnit(), filling: outputs ? filling.total() : undefined };
}

function told({ processor, clock }: Times): string {
  return `${processor.toPrecision(3)} s (${clock.toPrecision(3)})`;
}
