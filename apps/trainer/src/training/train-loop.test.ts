import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StageFolder } from '../config/run-folder';
import type { TrainingConfig } from '../config/schema';
import { silentProgress } from '../console/progress';
import { UserError } from '../user-error';
import { differences } from './checkpoint';
import { LINE_TRAINING, LineTask } from './line-task';
import { readMetrics } from './metrics-log';
import type { TrainingTask } from './task';
import { type TrainLoopOptions, trainLoop } from './train-loop';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-loop-'));
});
afterEach(() => rm(folder, { recursive: true }));

const training = LINE_TRAINING;

const stage = () => new StageFolder(join(folder, 'line'));

function run(task: TrainingTask, changes: Partial<TrainingConfig> = {}, options: Partial<TrainLoopOptions> = {}) {
  return trainLoop(task, {
    training: { ...training, ...changes },
    folder: stage(),
    key: randomKey(0),
    resume: false,
    openProgress: silentProgress,
    ...options,
  });
}

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

describeBackends(['cpu'], () => {
  test('a line is learned, and the module holds the averaged weights at the end', async () => {
    const task = new LineTask();
    const said: string[] = [];
    const result = await expectTensors(2, () =>
      run(
        task,
        {},
        {
          openProgress: () => ({ update: (n, note) => said.push(`${n} ${note ?? ''}`), stop: () => said.push('stop') }),
        },
      ),
    );
    expect(result).toMatchObject({ steps: 200, interrupted: false });
    expect((await task.result.weight.read())[0]).toBeCloseTo(2, 1);
    const rows = await readMetrics(stage().metrics);
    expect(rows.map(({ step }) => step)).toEqual([...Array.from({ length: 20 }, (_, i) => 10 * i), 199]);
    expect(rows[0].learningRate).toBeCloseTo(0.1 / 5, 6); // warm-up
    expect(rows.at(-1)?.learningRate).toBeLessThan(0.1 / 100); // linear decay
    expect(rows[0].parts.error).toBeCloseTo(rows[0].loss, 6);
    expect(rows.at(-1)?.loss).toBeLessThan(rows[0].loss / 100);
    expect([said[0], said.at(-1)]).toEqual(['0 ', 'stop']);
    expect(said.at(-2)).toMatch(/^200 loss 0\.\d{4}$/);
    task.dispose();
  });

  test('a run that is stopped before its first step writes nothing', async () => {
    const controller = new AbortController();
    controller.abort();
    const task = new LineTask();
    await expect(expectTensors(0, () => run(task, {}, { signal: controller.signal }))).rejects.toThrow(/abort/i);
    await expect(readdir(folder)).resolves.toEqual([]);
  });

  describe('a loss that is not a number', () => {
    const diverging = () => new LineTask({ factor: (step) => (step < 57 ? 1 : Number.NaN) });

    test('stops the run at the next look, and the last checkpoint is what it was', async () => {
      const task = diverging();
      const message = await complaintOf(run(task));
      expect(message).toMatchInlineSnapshot(
        `"line: the loss is NaN and the gradient's norm NaN at step 60 (its batch: FOLDER/line/bad-batches/step-00000060.safetensors); a smaller learningRate or maxGradientNorm may help; the last checkpoint, if there was one, is intact: FOLDER/line/checkpoint.safetensors"`,
      );
      const kept = await readFile(stage().checkpoint);
      task.dispose();
      const good = new LineTask();
      const controller = new AbortController();
      const other = new StageFolder(join(folder, 'other'));
      const batch = good.batch.bind(good);
      good.batch = (step) => {
        if (step === 49) controller.abort();
        return batch(step);
      };
      await run(good, {}, { folder: other, signal: controller.signal });
      expect((await readFile(other.checkpoint)).equals(kept)).toBe(true);
      good.dispose();
    });

    test('never gets into a checkpoint, though one be due before the next look', async () => {
      const task = diverging();
      const message = await complaintOf(run(task, { checkpointEvery: 29 })); // due after step 58; looks at 60
      expect(message).toMatchInlineSnapshot(
        `"line: model.weight is not finite after 58 steps; a smaller learningRate or maxGradientNorm may help; the last checkpoint, if there was one, is intact: FOLDER/line/checkpoint.safetensors"`,
      );
      task.dispose();
      const resumed = new LineTask();
      const said: string[] = [];
      await run(resumed, { checkpointEvery: 29 }, { resume: true, report: (line) => said.push(line) });
      expect(said).toEqual(['continuing line after 29 steps']);
      expect((await resumed.result.weight.read()).every(Number.isFinite)).toBe(true);
      resumed.dispose();
    });

    test('nor does it on Ctrl-C', async () => {
      const task = diverging();
      const controller = new AbortController();
      const batch = task.batch.bind(task);
      task.batch = (step) => {
        if (step === 58) controller.abort();
        return batch(step);
      };
      const message = await complaintOf(run(task, {}, { signal: controller.signal }));
      expect(message).toMatch(/is not finite after 59 steps/);
      task.dispose();
    });
  });

  test('a task that leaves tensors behind is called a leak', async () => {
    const task = new LineTask({ forgotten: 3 });
    await expect(run(task)).rejects.toThrow(/^line: 5[1-4] tensors leaked by step 1[78]: /);
    task.dispose();
  });

  test('a folder that is a file is refused before the first step', async () => {
    await writeFile(join(folder, 'line'), 'in the way');
    const task = new LineTask({ factor: () => Number.NaN }); // any step would say something else
    expect(await complaintOf(run(task))).toMatchInlineSnapshot(
      `"cannot write FOLDER/line/.write-test: a part of its path is a file, not a folder"`,
    );
    await rm(join(folder, 'line'));
    await writeFile(join(folder, 'way'), '');
    const below = new StageFolder(join(folder, 'way', 'line'));
    expect(await complaintOf(run(task, {}, { folder: below }))).toMatchInlineSnapshot(
      `"cannot write FOLDER/way/line/.write-test: a part of its path is a file, not a folder"`,
    );
    task.dispose();
  });

  test('a log that cannot be written is an error that names it', async () => {
    await mkdir(stage().metrics, { recursive: true });
    const task = new LineTask();
    expect(await complaintOf(run(task))).toMatchInlineSnapshot(
      `"cannot write FOLDER/line/metrics.jsonl: it is a folder"`,
    );
    task.dispose();
  });
});

test('the differences of two configurations are listed by dotted path', () => {
  const before = { a: 1, b: { c: [1, 2], d: 'x' }, gone: true, same: { e: null } };
  const after = { a: 2, b: { c: [1, 3], d: 'x' }, new: { f: 1 }, same: { e: null }, nothing: undefined };
  expect(differences(before, after)).toEqual([
    'a: was 1, is 2',
    'b.c: was [1,2], is [1,3]',
    'gone: was true, is absent',
    'new: was absent, is {"f":1}',
  ]);
});
