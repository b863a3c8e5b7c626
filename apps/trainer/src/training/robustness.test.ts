import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFloat32 } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withRecovery } from '../commands/context';
import { StageFolder } from '../config/run-folder';
import type { TrainingConfig } from '../config/schema';
import { silentProgress } from '../console/progress';
import { readCheckpointFile } from './checkpoint';
import { DeviceLostError, DeviceWatch } from './device-watch';
import { LINE_TRAINING, LineTask } from './line-task';
import { LossGuard } from './loss-guard';
import { readMetrics } from './metrics-log';
import { type TrainLoopOptions, trainLoop } from './train-loop';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-robust-'));
});
afterEach(() => rm(folder, { recursive: true }));

const stage = (name = 'line') => new StageFolder(join(folder, name));

async function run(task: LineTask, changes: Partial<TrainingConfig> = {}, options: Partial<TrainLoopOptions> = {}) {
  const said: string[] = [];
  try {
    await trainLoop(task, {
      training: { ...LINE_TRAINING, ...changes },
      folder: stage(),
      key: randomKey(0),
      resume: false,
      openProgress: silentProgress,
      report: (line) => said.push(line.replaceAll(folder, 'FOLDER')),
      ...options,
    });
  } finally {
    task.dispose();
  }
  return said;
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason.message.replaceAll(folder, 'FOLDER'),
  );
}

const weights = async (name?: string) => {
  const { tensors } = await readCheckpointFile(stage(name).checkpoint);
  return toFloat32(tensors.get('model.weight') as never);
};

describeBackends(['cpu'], () => {
  describe('a bad loss', () => {
    /** NaN at step 57, twenty times too large at step 103. */
    const bad = () => new LineTask({ factor: (step) => (step === 57 ? Number.NaN : step === 103 ? 1e9 : 1) });

    test('is left out where that is asked for, its data kept; the run ends well', async () => {
      const task = new LineTask({ factor: (step) => (step === 57 ? Number.NaN : 1) });
      const said = await expectTensors(0, () => run(task, { onBadLoss: 'skip' }));
      expect(said).toEqual([
        "line, step 57: the loss is NaN and the gradient's norm NaN; left out; its batch is FOLDER/line/bad-batches/step-00000057.safetensors",
      ]);
      const { tensors, metadata } = await readCheckpointFile(join(stage().badBatches, 'step-00000057.safetensors'));
      expect(Object.fromEntries([...tensors].map(([name, view]) => [name, [...toFloat32(view)]]))).toEqual({
        '0.x': [0, 1], // what step 57 draws
      });
      expect(metadata).toMatchObject({ format: 'sd-batch-1', task: 'line', step: '57', loss: 'NaN' });
      expect((await weights())[0]).toBeCloseTo(2, 1);
    });

    test('that is a spike halves the learning rate from there on, across a resumption too', async () => {
      const settings = { onBadLoss: 'halve', spikeFactor: 50 } as const;
      const said = await run(bad(), settings);
      expect(said.map((line) => line.replace(/; its batch.*/, ''))).toEqual([
        "line, step 57: the loss is NaN and the gradient's norm NaN; left out, the learning rate is 0.5 of its plan now",
        expect.stringMatching(
          /^line, step 103: the loss is \S+, \S+ times its mean; left out, the learning rate is 0.25 of its plan now$/,
        ),
      ]);
      const plan = await readMetrics(stage().metrics);
      const whole = await readFile(stage().checkpoint);

      const controller = new AbortController();
      const other = { folder: stage('other') };
      const task = bad();
      const batch = task.batch.bind(task);
      task.batch = (step) => {
        if (step === 79) controller.abort();
        return batch(step);
      };
      await run(task, settings, { ...other, signal: controller.signal });
      const resumed = await run(bad(), settings, { ...other, resume: true });
      expect(resumed[0]).toBe('continuing line after 80 steps');
      const rates = (await readMetrics(other.folder.metrics)).map(({ learningRate }) => learningRate);
      expect(rates).toEqual(plan.map(({ learningRate }) => learningRate));
      expect((await readFile(other.folder.checkpoint)).equals(whole)).toBe(true);
    });

    test('stops the run by default, its data kept', async () => {
      const message = await messageOf(run(bad(), { spikeFactor: 50 }));
      expect(message).toMatchInlineSnapshot(
        `"line: the loss is NaN and the gradient's norm NaN at step 57 (its batch: FOLDER/line/bad-batches/step-00000057.safetensors); a smaller learningRate or maxGradientNorm may help; the last checkpoint, if there was one, is intact: FOLDER/line/checkpoint.safetensors"`,
      );
      expect(await readdir(stage().badBatches)).toEqual(['step-00000057.safetensors']);
    });

    test('ten times in a row stops the run in any case', async () => {
      const task = new LineTask({ factor: (step) => (step < 30 ? 1 : Number.POSITIVE_INFINITY) });
      expect((await messageOf(run(task, { onBadLoss: 'skip' }))).split(' at step')[0]).toMatchInlineSnapshot(
        `"line: the loss is Infinity and the gradient's norm NaN, the 10th such step in a row"`,
      );
      expect(await readdir(stage().badBatches)).toHaveLength(10);
    });

    test('is judged by the mean of good ones, once there are enough', () => {
      const guard = new LossGuard({ onBadLoss: 'skip', spikeFactor: 4 });
      expect(guard.judge(100, 1).action).toBe('take'); // the first is all there is
      for (let i = 0; i < 19; i++) expect(guard.judge(1, 1).action).toBe('take');
      const { mean } = guard.toJSON();
      expect(mean).toBeCloseTo(1 + 99 * 0.98 ** 19, 6);
      expect(guard.judge(3.9 * mean, 1).action).toBe('take');
      expect(guard.judge(4.5 * mean, 1)).toMatchObject({ action: 'skip' });
      expect(guard.judge(1, Number.NaN)).toMatchObject({ action: 'skip' });
      const copy = new LossGuard({ onBadLoss: 'skip', spikeFactor: 4 });
      copy.restore(JSON.parse(JSON.stringify(guard)));
      expect(copy.toJSON()).toEqual(guard.toJSON());
      copy.restore({ nothing: 1 });
      expect(copy.skipped).toBe(2);
      expect(new LossGuard({ onBadLoss: 'stop' }).isActive).toBe(false);
    });
  });

  describe('earlier checkpoints', () => {
    test('the last ones are kept, and the best; none of them is a copy that takes room', async () => {
      const task = new LineTask({ factor: (step) => (step < 100 ? 1 : 1e9) });
      await run(task, { steps: 200, checkpointEvery: 20, keepCheckpoints: 3, keepBest: true });
      const names = (await readdir(stage().checkpoints)).sort();
      expect(names).toEqual([
        'best.json',
        'best.safetensors',
        'step-00000160.safetensors',
        'step-00000180.safetensors',
        'step-00000200.safetensors',
      ]);
      const best = JSON.parse(await readFile(stage().best, 'utf8'));
      expect(best.step).toBe(100); // it is far larger afterwards
      expect((await readCheckpointFile(stage().bestCheckpoint)).metadata.step).toBe('100');
      const rows = (await readMetrics(stage().metrics)).filter(({ step }) => step >= 80 && step < 100);
      expect(best.loss).toBeCloseTo(rows.reduce((sum, { loss }) => sum + loss, 0) / rows.length, 12);
      const last = join(stage().checkpoints, 'step-00000200.safetensors');
      expect((await stat(last)).ino).toBe((await stat(stage().checkpoint)).ino);
    });

    test('those of a run that was given up go, and what a killed process was writing', async () => {
      await run(new LineTask(), { steps: 100, checkpointEvery: 20, keepCheckpoints: 9 });
      const half = join(stage().path, 'checkpoint.safetensors.99-3.tmp');
      await writeFile(half, 'half');
      await run(new LineTask(), { steps: 45, checkpointEvery: 20, keepCheckpoints: 9 });
      expect((await readdir(stage().checkpoints)).sort()).toEqual(
        [20, 40, 45].map((n) => `step-000000${n}.safetensors`),
      );
      await expect(stat(half)).rejects.toThrow('ENOENT');
    });
  });

  describe('a lost device', () => {
    test('ends a step that never comes back, with a word on where to go on from', async () => {
      let lose = (_: string) => {};
      const lost = new Promise<string>((resolve) => {
        lose = resolve;
      });
      const task = new LineTask();
      const batch = task.batch.bind(task);
      task.batch = (step) => {
        if (step < 57) return batch(step);
        setTimeout(() => lose('destroyed: by the test'), 1);
        return new Promise(() => {}); // a read of a dead device
      };
      const error = await run(task, {}, { lost }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DeviceLostError);
      expect(error).toMatchObject({ hasCheckpoint: true, message: 'the device was lost (destroyed: by the test)' });
    });

    test('is what an error of its own making is called', async () => {
      const watch = new DeviceWatch(new Promise((resolve) => setTimeout(() => resolve('unknown: gone'), 20)));
      const broken = Promise.reject(new Error('mapAsync failed'));
      await expect(watch.guard(broken, () => false)).rejects.toThrow('the device was lost (unknown: gone)');
      const well = new DeviceWatch(new Promise(() => {}));
      await expect(well.guard(Promise.reject(new Error('mine')), () => false)).rejects.toThrow('mine');
      await expect(well.guard(Promise.resolve(7), () => false)).resolves.toBe(7);
    });

    test('starts the command again on the same backend, from the last checkpoint where there is one', async () => {
      const calls: unknown[] = [];
      await withRecovery('cpu', false, async ({ name }, resume, recovering) => {
        calls.push([name, resume, recovering]);
        if (calls.length === 1) throw new DeviceLostError('destroyed', false);
        if (calls.length === 2) throw new DeviceLostError('destroyed', true);
      });
      expect(calls).toEqual([
        ['cpu', false, false],
        ['cpu', false, true],
        ['cpu', true, true],
      ]);
      let times = 0;
      const always = withRecovery('cpu', true, async () => {
        times++;
        throw new DeviceLostError('destroyed', true);
      });
      await expect(always).rejects.toThrow('the device was lost');
      expect(times).toBe(6);
    });
  });

  test('a leak is told by how much it grows', async () => {
    expect(await messageOf(run(new LineTask({ forgotten: 3 })))).toMatch(
      /^line: 5[1-4] tensors leaked by step 1[78]: 3\.\d a step, 0\.0 MB in all$/,
    );
  });
});
