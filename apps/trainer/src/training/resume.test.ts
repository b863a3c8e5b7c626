import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readSafetensors, type TensorView, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunFolder, type StageFolder } from '../config/run-folder';
import { DeadLeaves } from '../data/dead-leaves';
import { UserError } from '../user-error';
import { type MetricsRow, readMetrics } from './metrics-log';
import { runFirstStage, runModel, type StageContext } from './run-stages';
import { TINY_STEPS, tinyContext, tinyLatents, tinyProject } from './tiny-project';
import type { TrainLoopResult } from './train-loop';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-resume-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Calls `at` before the n-th batch, n = 1, 2, ... */
function watched<T extends { batch(indices: ArrayLike<number>): unknown }>(data: T, at: (n: number) => void): T {
  const batch = data.batch.bind(data);
  let n = 0;
  data.batch = ((indices: ArrayLike<number>) => {
    at(++n);
    return batch(indices);
  }) as T['batch'];
  return data;
}

type Run = (context: StageContext, at?: (n: number) => void) => Promise<TrainLoopResult>;

const runs: Readonly<Record<'first-stage' | 'teacher' | 'sd', Run>> = {
  'first-stage': (context, at = () => {}) => runFirstStage(context, watched(new DeadLeaves(randomKey(2), 10, 16), at)),
  teacher: (context, at = () => {}) => runModel(context, 'teacher', watched(tinyLatents(), at)),
  sd: (context, at = () => {}) => runModel(context, 'sd', watched(tinyLatents(), at)),
};

async function files(stage: StageFolder) {
  const rows = (await readMetrics(stage.metrics)).map(({ seconds: _, ...row }: MetricsRow) => row);
  return { checkpoint: await readFile(stage.checkpoint), weights: await readFile(stage.weights), rows };
}

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

/** Takes lines, but for the share of time that was spent waiting, which is another one every time. */
function keptIn(lines: string[]): (line: string) => void {
  return (line) => {
    if (!/of the time was spent waiting/.test(line)) lines.push(line);
  };
}

describeBackends(['wasm'], () => {
  /** A project's uninterrupted run: the teacher is also what the student of every other project learns from. */
  let whole: StageContext;
  beforeAll(async () => {
    whole = tinyContext(tinyProject(join(folder, 'whole')));
    await runs.teacher(whole);
  });

  const another = async (name: string, changes: Partial<StageContext> = {}) => {
    const context = tinyContext(tinyProject(join(folder, name)), changes);
    const teacher = context.folder.stage('teacher').weights;
    await mkdir(dirname(teacher), { recursive: true });
    await copyFile(whole.folder.stage('teacher').weights, teacher);
    return context;
  };

  describe.each(['first-stage', 'teacher', 'sd'] as const)('%s', (name) => {
    const run = runs[name];
    beforeAll(async () => {
      if (name !== 'teacher') await expectTensors(0, () => run(whole));
    });

    test('continues after an interruption to the bytes of an uninterrupted run', async () => {
      const controller = new AbortController();
      const context = await another(`interrupted-${name}`, { signal: controller.signal });
      const stage = context.folder.stage(name);
      const stopped = await run(context, (n) => n === 7 && controller.abort());
      expect(stopped).toMatchObject({ steps: 7, interrupted: true });
      const lines: string[] = [];
      const finished = await run({ ...tinyContext(context.config), resume: true, report: keptIn(lines) });
      expect(finished).toMatchObject({ steps: TINY_STEPS, interrupted: false });
      expect(lines.map((line) => line.replace(/continuing .* after/, 'continuing after'))).toEqual([
        'continuing after 7 steps',
      ]);
      const [a, b] = [await files(stage), await files(whole.folder.stage(name))];
      expect(a.rows).toEqual(b.rows);
      expect(a.rows.map(({ step }) => step)).toEqual([0, 10, 11]);
      expect(a.checkpoint.equals(b.checkpoint)).toBe(true);
      expect(a.weights.equals(b.weights)).toBe(true);
    });

    test('continues after a crash from its last checkpoint, and cuts the log to it', async () => {
      const context = await another(`crashed-${name}`);
      const stage = context.folder.stage(name);
      const crash = run(context, (n) => {
        if (n === 12) throw new Error('crash');
      });
      await expect(crash).rejects.toThrow('crash');
      expect((await readMetrics(stage.metrics)).map(({ step }) => step)).toEqual([0, 10]);
      await run({ ...context, resume: true });
      const [a, b] = [await files(stage), await files(whole.folder.stage(name))];
      expect(a.rows).toEqual(b.rows);
      expect(a.checkpoint.equals(b.checkpoint)).toBe(true);
      expect(a.weights.equals(b.weights)).toBe(true);
    });
  });

  test('a run may pause with finished weights, and goes on to the bytes of an unbroken run', async () => {
    const context = await another('paused');
    const stage = context.folder.stage('sd');
    expect(await runs.sd({ ...context, until: 5 })).toMatchObject({ steps: 5, interrupted: false });
    const early = await readFile(stage.weights);
    expect(await runs.sd({ ...context, until: 9, resume: true })).toMatchObject({ steps: 9, interrupted: false });
    expect(early.equals(await readFile(stage.weights))).toBe(false);
    expect(await runs.sd({ ...context, until: 100, resume: true })).toMatchObject({ steps: TINY_STEPS });
    const [own, unbroken] = [await files(stage), await files(whole.folder.stage('sd'))];
    expect(own.checkpoint.equals(unbroken.checkpoint)).toBe(true);
    expect(own.weights.equals(unbroken.weights)).toBe(true);
  });

  test('a finished run that is resumed only writes its weights again', async () => {
    const context = await another('finished');
    await runs.teacher(context);
    const stage = context.folder.stage('teacher');
    await rm(stage.weights);
    const result = await runs.teacher({ ...context, resume: true }, () => {
      throw new Error('it trained');
    });
    expect(result).toMatchObject({ steps: TINY_STEPS, interrupted: false });
    const expected = await readFile(whole.folder.stage('teacher').weights);
    expect((await readFile(stage.weights)).equals(expected)).toBe(true);
  });

  test('numbers of the training may change, which is said', async () => {
    const context = await another('changed');
    await runs.teacher(context);
    const lines: string[] = [];
    const config = tinyProject(context.config.out, (source) => ({
      ...source,
      models: { ...source.models, teacher: { ...source.models.teacher, steps: 13, learningRate: 5e-4 } },
    }));
    await runs.teacher(tinyContext(config, { resume: true, report: keptIn(lines) }));
    expect(lines).toEqual([
      'continuing train teacher after 12 steps',
      'continuing with another steps: was 12, is 13',
      'continuing with another learningRate: was 0.001, is 0.0005',
    ]);
  });

  describe('a checkpoint is refused', () => {
    const stage = () => new RunFolder(join(folder, 'refused')).stage('teacher');
    const resume = (changes?: Parameters<typeof tinyProject>[1]) =>
      expectTensors(0, () =>
        complaintOf(runs.teacher(tinyContext(tinyProject(join(folder, 'refused'), changes), { resume: true }))),
      );
    const put = async (bytes: Uint8Array) => {
      await mkdir(stage().path, { recursive: true });
      await writeFile(stage().checkpoint, bytes);
    };
    const original = () => readFile(whole.folder.stage('teacher').checkpoint);
    const tampered = async (change: (tensors: Map<string, TensorView>, metadata: Record<string, string>) => void) => {
      const { tensors, metadata } = readSafetensors(await original());
      const [copy, said] = [new Map(tensors), { ...metadata }];
      change(copy, said);
      await put(writeSafetensors(copy, said));
    };

    test('when there is none', async () => {
      expect(await resume()).toMatchInlineSnapshot(
        `"cannot read FOLDER/refused/teacher/checkpoint.safetensors: no such file"`,
      );
    });

    test('when it is of something else', async () => {
      await put(await readFile(whole.folder.firstStage.checkpoint));
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: not a checkpoint of a diffusion model: its kind is "first stage", format "sd-training-1""`,
      );
      await put(await readFile(whole.folder.stage('teacher').weights));
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: not a checkpoint of a diffusion model: its kind is "unknown", format "sd-diffusion-1""`,
      );
    });

    test('when it is of another configuration, with all differences', async () => {
      await put(await original());
      const message = await resume((source) => ({
        ...source,
        seed: 4,
        diffusion: { ...source.diffusion, betaEnd: 0.02 },
        models: { teacher: { ...source.models.teacher, unet: { ...source.models.teacher.unet, modelChannels: 16 } } },
      }));
      expect(message).toMatchInlineSnapshot(`
        "FOLDER/refused/teacher/checkpoint.safetensors: made with another configuration, so it cannot be resumed:
          unet.timeEmbeddingDim: was 32, is 64
          unet.modelChannels: was 8, is 16
          diffusion.betaEnd: was 0.0195, is 0.02
          seedKey: was [968106284,2814355609], is [2669995082,2938606602]"
      `);
    });

    test('when it has more steps than are asked for', async () => {
      await put(await original());
      const message = await resume((source) => ({
        ...source,
        models: { teacher: { ...source.models.teacher, steps: 5 } },
      }));
      expect(message).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: 12 steps are done already, more than the configuration's 5"`,
      );
    });

    test('when it is cut short', async () => {
      const bytes = await original();
      await put(bytes);
      await truncate(stage().checkpoint, bytes.length - 100);
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: openSafetensors: tensor "optimizer.exp_avg_sq.model.out.2.weight" data_offsets must be within the 726372 bytes after the header, got [725304, 726456]"`,
      );
      await put(bytes.subarray(0, 5));
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: openSafetensors: file must be at least 8 bytes, got 5"`,
      );
      await put(new Uint8Array());
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: openSafetensors: file must be at least 8 bytes, got 0"`,
      );
    });

    test('when it lies about its lengths', async () => {
      const bytes = new Uint8Array(await original());
      new DataView(bytes.buffer).setBigUint64(0, 2n ** 62n, true);
      await put(bytes);
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: openSafetensors: header length must be at most 100000000 bytes, got 4611686018427387904"`,
      );
      const header = Buffer.from(
        '{"model.a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
      );
      const length = new Uint8Array(8);
      new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
      await put(Buffer.concat([length, header, new Uint8Array(16)]));
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: openSafetensors: tensor "model.a" data_offsets must be within the 16 bytes after the header, got [0, 4000000000000]"`,
      );
    });

    test('when tensors are missing, too many or of another shape', async () => {
      const bias = 'model.out.2.bias';
      await tampered((tensors) => {
        const view = tensors.get(bias) as TensorView;
        tensors.delete(bias);
        tensors.set('model.out.2.biass', view);
      });
      expect(await resume()).toMatchInlineSnapshot(`
        "FOLDER/refused/teacher/checkpoint.safetensors: UNet.loadStateDict: the state dict is not of this architecture
          nearest names: CompVis latent-diffusion, 127 of 128
          1 missing: out.2.bias
          1 unexpected: out.2.biass"
      `);
      await tampered((tensors) => {
        tensors.set(`ema.${bias.slice(6)}`, { ...(tensors.get(bias) as TensorView), shape: [2, 2] });
      });
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: ExponentialMovingAverage.loadStateDict: missing or of another shape: out.2.bias [4]"`,
      );
      await tampered((tensors) => {
        const [name] = [...tensors.keys()].filter((key) => key.startsWith('optimizer.')).slice(-1);
        tensors.delete(name);
      });
      expect(await resume()).toMatch(/^FOLDER\/refused\/teacher\/checkpoint.safetensors: .*optimizer|AdamW/i);
    });

    test('when what it says of itself cannot be read', async () => {
      await tampered((_, metadata) => {
        metadata.identity = '{';
      });
      expect(await resume()).toMatchInlineSnapshot(
        `"FOLDER/refused/teacher/checkpoint.safetensors: its identity cannot be read"`,
      );
      await tampered((_, metadata) => {
        metadata.step = '-3';
      });
      expect(await resume()).toMatchInlineSnapshot(`"FOLDER/refused/teacher/checkpoint.safetensors: step is "-3""`);
    });

    test('when the student learned from another teacher', async () => {
      const context = await another('other-teacher');
      await runs.sd(context);
      const teacher = context.folder.stage('teacher').weights;
      const { tensors, metadata } = readSafetensors(await readFile(teacher));
      await writeFile(teacher, writeSafetensors(tensors, { ...metadata, note: 'another' }));
      const message = await complaintOf(runs.sd({ ...context, resume: true }));
      expect(message).toMatch(/made with another configuration, so it cannot be resumed:\n {2}teacher.sha256: was "/);
    });
  });
});
