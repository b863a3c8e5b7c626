import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DeadLeaves } from '../data/dead-leaves';
import { readCheckpointFile } from './checkpoint';
import { runFirstStage, runModel } from './run-stages';
import type { SnapshotFile } from './snapshot';
import { saveTinyFirstStage, tinyContext, tinyLatents, tinyProject } from './tiny-project';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-snapshot-'));
});
afterAll(() => rm(folder, { recursive: true }));

const readSnapshot = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as SnapshotFile;

describeBackends(['wasm'], () => {
  test('samples, spectra and gates are drawn on the way, and the training is not changed by it', async () => {
    const train = async (name: string, sampleEvery: object) => {
      const config = tinyProject(join(folder, name), (source) => ({
        ...source,
        models: {
          teacher: {
            ...source.models.teacher,
            ...sampleEvery,
            unet: { ...source.models.teacher.unet, resample: 'wavelet' },
          },
        },
      }));
      await saveTinyFirstStage(config);
      const context = tinyContext(config);
      await expectTensors(0, () => runModel(context, 'teacher', tinyLatents()));
      return context.folder.stage('teacher');
    };
    const plain = await train('plain', {});
    const looked = await train('looked', { sampleEvery: 5 });
    const [a, b] = [await readCheckpointFile(plain.checkpoint), await readCheckpointFile(looked.checkpoint)];
    expect([...b.tensors.keys()]).toEqual([...a.tensors.keys()]);
    const differs = [...a.tensors].filter(
      ([name, { data }]) => !Buffer.from(data).equals(b.tensors.get(name)?.data ?? data.subarray(1)),
    );
    expect(differs.map(([name]) => name)).toEqual([]);
    expect(await readdir(plain.path)).not.toContain('samples');
    expect(await readdir(looked.snapshots)).toEqual(['step-00000005.png', 'step-00000010.png']);
    const { width, height } = await sharp(join(looked.snapshots, 'step-00000010.png')).metadata();
    expect([width, height]).toEqual([396, 396]); // 4 x 4 samples of 16 pixels, six times as large
    const { step, spectra, gates } = await readSnapshot(looked.snapshot);
    expect(step).toBe(10);
    for (const spectrum of [spectra?.generated, spectra?.data]) {
      expect(spectrum?.power).toHaveLength(8);
      expect(spectrum?.power.every((power) => power > 0)).toBe(true);
    }
    expect(gates?.map(({ module, direction, t }) => [module, direction, t])).toEqual([
      ['input_blocks.2.0', 'down', [0, 250, 500, 749, 999]],
      ['output_blocks.1.2', 'up', [0, 250, 500, 749, 999]],
    ]);
    expect((await readdir(looked.path)).some((name) => name.startsWith('events.out.tfevents.'))).toBe(true);
  });

  test("a first stage's pictures are shown above what it makes of them", async () => {
    const config = tinyProject(join(folder, 'stage'), (source) => ({
      ...source,
      firstStage: { ...source.firstStage, sampleEvery: 12 },
    }));
    const context = tinyContext(config);
    await runFirstStage(context, new DeadLeaves(randomKey(2), 10, 16));
    const { width, height } = await sharp(join(context.folder.firstStage.snapshots, 'step-00000012.png')).metadata();
    expect([width, height]).toEqual([8 * 96 + 7 * 4, 2 * 96 + 4]);
    expect((await readSnapshot(context.folder.firstStage.snapshot)).gates).toBeUndefined();
  });
});
