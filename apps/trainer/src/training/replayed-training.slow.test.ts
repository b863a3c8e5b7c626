import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { OUTPUT_PAIR, pairFeatures, SpectrumAwareDistillation } from '@sd/distill';
import { describeBackends } from '@sd/testing';
import { featureShapes } from '@sd/unet';
import { registerWebGPUKernels } from '@sd/webgpu';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ReplayedDenoiser } from '../conditions/replayed-denoiser';
import { StageFolder } from '../config/run-folder';
import { silentProgress } from '../console/progress';
import { sampleLatents } from '../sampling/sample-images';
import { shake } from '../sampling/tiny-pipeline';
import { buildDenoiser, buildScheduler } from './build-models';
import { DiffusionTask } from './diffusion-task';
import { type MetricsRow, readMetrics } from './metrics-log';
import { tinyLatents, tinyProject } from './tiny-project';
import { trainLoop } from './train-loop';

const STEPS = 4;
const out = mkdtempSync(join(tmpdir(), 'sd-replayed-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('a student that learns by replayed passes, its teacher replayed too, learns the same and draws the same', async () => {
    const config = tinyProject(out);
    const model = config.models.sd as NonNullable<typeof config.models.sd>;
    const scheduler = buildScheduler(config.diffusion);

    const run = async (isReplayable: boolean) => {
      const [teacher, student] = [buildDenoiser(config, 'teacher'), buildDenoiser(config, 'sd')];
      shake(teacher);
      const passes = new ReplayedDenoiser(teacher);
      const from = isReplayable ? passes : teacher;
      const pairs = [
        { name: OUTPUT_PAIR, teacherChannels: 4, studentChannels: 4 },
        ...pairFeatures(featureShapes(teacher.unet.config), featureShapes(student.unet.config)),
      ];
      const task = new DiffusionTask({
        name: 'sd',
        denoiser: student,
        scheduler,
        diffusion: config.diffusion,
        latents: tinyLatents(),
        model,
        key: randomKey(1),
        teaching: {
          teacher: (x, t, condition) => from.forwardWithFeatures(x, t, condition),
          distillation: new SpectrumAwareDistillation({ pairs }),
          identity: {},
        },
      });
      expect(task.isReplayable).toBe(true);
      Object.defineProperty(task, 'isReplayable', { value: isReplayable });
      const folder = new StageFolder(join(out, `${isReplayable}`));
      await trainLoop(task, {
        training: { ...model, steps: STEPS, spikeFactor: 1000 }, // looks at each step
        folder,
        key: randomKey(2),
        resume: false,
        openProgress: silentProgress,
      });
      const sampling = { count: 2, steps: 4, key: randomKey(3), openProgress: silentProgress };
      const samples = isReplayable ? await sampleLatents({ unet: student.unet, scheduler }, sampling) : null;
      const values = samples && (await samples.data()).slice();
      samples?.dispose();
      passes.dispose();
      teacher.dispose();
      task.dispose();
      return { rows: (await readMetrics(folder.metrics)).map(({ seconds: _, ...row }) => row), values };
    };

    const plain = await run(false);
    const replayed = await run(true);
    expect(plain.rows.length).toBeGreaterThan(1);
    // Small sums are left to the CPU where nothing is recorded, and the teacher's timesteps: the last digit may differ.
    const numbers = ({ loss, gradientNorm, parts }: MetricsRow) => [loss, gradientNorm, ...Object.values(parts)];
    for (const [i, row] of replayed.rows.entries()) {
      const expected = numbers(plain.rows[i] as MetricsRow);
      for (const [k, value] of numbers(row as MetricsRow).entries()) {
        expect(Math.abs(value / (expected[k] as number) - 1)).toBeLessThan(1e-5);
      }
    }
    expect(replayed.values?.every(Number.isFinite)).toBe(true);
  });
});
