import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunFolder } from '../config/run-folder';
import { silentProgress } from '../console/progress';
import { Latents } from '../data/latents';
import { loadDiffusionModel } from '../files/weights-file';
import { sampleLatents } from '../sampling/sample-images';
import { buildScheduler } from '../training/build-models';
import { readMetrics } from '../training/metrics-log';
import { runModel } from '../training/run-stages';
import { tinyContext, tinyLatents, tinyProject } from '../training/tiny-project';
import { NO_CLASS } from './denoiser';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-classes-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Of two classes: a teacher that attends to them, and a student that adds them to the time. */
function classProject(out: string) {
  return tinyProject(out, ({ models, ...source }) => ({
    ...source,
    condition: { kind: 'class', classes: 2, dropout: 0.5 },
    models: {
      teacher: {
        ...models.teacher,
        steps: 6,
        unet: { ...models.teacher.unet, useSpatialTransformer: true, contextDim: 4 },
      },
      sd: { ...models.sd, steps: 6, unet: { ...models.sd.unet, numClasses: 3 } },
    },
  }));
}

function classLatents(labels = Int32Array.from({ length: 10 }, (_, i) => i % 2)): Latents {
  const { values, shape, scaleFactor, description } = tinyLatents();
  return new Latents(values, shape, scaleFactor, description, { labels, classNames: ['even', 'odd'] });
}

describeBackends(['wasm'], () => {
  test('are trained, distilled and resumed to the same bytes, and draw each class', async () => {
    const whole = tinyContext(classProject(join(folder, 'whole')));
    const stopped = tinyContext(classProject(join(folder, 'stopped')));
    for (const name of ['teacher', 'sd']) {
      await expectTensors(0, () => runModel(whole, name, classLatents()));
      const controller = new AbortController();
      const progress = () => ({
        update: (done: number) => void (done > 0 && controller.abort()),
        stop: () => {},
      });
      const { interrupted } = await runModel(
        { ...stopped, signal: controller.signal, openProgress: progress },
        name,
        classLatents(),
      );
      expect(interrupted).toBe(true);
      await runModel({ ...stopped, resume: true }, name, classLatents());
      const bytes = (context: typeof whole) => readFile(context.folder.stage(name).weights);
      expect(await bytes(stopped)).toEqual(await bytes(whole));
    }
    const rows = await readMetrics(whole.folder.stage('sd').metrics);
    expect(Object.keys(rows[0].parts).slice(0, 5)).toEqual([
      'diffusion',
      'spatial',
      'frequency',
      'spatial/output',
      'frequency/output',
    ]);

    const { denoiser, metadata } = await loadDiffusionModel(new RunFolder(whole.config.out).stage('teacher').weights);
    expect(metadata.condition).toEqual({ kind: 'class', classes: 2, classNames: ['even', 'odd'] });
    const draw = async (classes: number[], scale: number, batchSize = 4) => {
      const latents = await expectTensors(1, () =>
        sampleLatents(
          { unet: denoiser.unet, scheduler: buildScheduler(whole.config.diffusion) },
          {
            count: 4,
            steps: 3,
            batchSize,
            key: randomKey(1),
            openProgress: silentProgress,
            guidance: {
              denoiser,
              scale,
              condition: (first, count) =>
                Array.from({ length: count }, (_, i) => classes[(first + i) % classes.length]),
              uncondition: [NO_CLASS],
            },
          },
        ),
      );
      return [...(await latents.data())];
    };
    const even = await draw([0], 1);
    const odd = await draw([1], 1);
    const both = await draw([0, 1], 1);
    expect(even).not.toEqual(odd);
    expect(both.slice(0, 256)).toEqual(even.slice(0, 256));
    expect(both.slice(256, 512)).toEqual(odd.slice(256, 512));
    expect(await draw([0, 1], 1, 1)).toEqual(both); // whatever they are drawn together with
    expect(await draw([0], 0)).toEqual(await draw([1], 0)); // no guidance at all is no condition
    expect(await draw([0], 3)).not.toEqual(even);
    denoiser.dispose();
  });

  test('are refused where the data has no classes, or more', async () => {
    const context = tinyContext(classProject(join(folder, 'refused')));
    await expect(runModel(context, 'teacher', tinyLatents())).rejects.toThrowErrorMatchingInlineSnapshot(
      `[UserError: models.teacher is of classes, but the latents have none: give data of classes and encode again]`,
    );
    const more = classLatents(Int32Array.from({ length: 10 }, (_, i) => i));
    await expect(runModel(context, 'teacher', more)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[UserError: config: condition.classes is 2, but the data has a class 2]`,
    );
  });
});
