import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFloat32 } from '@sd/checkpoint';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../user-error';
import { readCheckpointFile } from './checkpoint';
import { readMetrics } from './metrics-log';
import { runModel, type StageContext } from './run-stages';
import { type AskTeacher, TeacherOutputs, type TeacherOutputsOptions } from './teacher-outputs';
import { TINY_STEPS, tinyContext, tinyLatents, tinyProject } from './tiny-project';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-teacher-outputs-'));
});
afterEach(() => rm(folder, { recursive: true }));

const EXAMPLES = 7;
const output = { name: 'output', height: 2, width: 2, channels: 3 };
const feature = { name: 'up.1', height: 1, width: 2, channels: 4 };

/** Says of an example what tells it from all others; values that float16 has to round. */
const asked: number[] = [];
const teacher: AskTeacher = async (examples) => {
  asked.push(...examples);
  const made = ({ height, width, channels }: typeof output, scale: number) =>
    tf.tensor4d(
      [...examples].flatMap((example) =>
        Array.from({ length: height * width * channels }, (_, i) => scale * Math.sin(example + 1 + i / 7)),
      ),
      [examples.length, height, width, channels],
    );
  return { output: made(output, 1), up_1: made(feature, 100), up_0: made(feature, 1) };
};

const open = (changes: Partial<TeacherOutputsOptions> = {}) =>
  TeacherOutputs.open({
    folder: join(folder, 'kept'),
    identity: { teacher: 'abc', seedKey: [1, 2] },
    examples: EXAMPLES,
    tensors: [output, feature],
    shardBytes: 3 * 2 * (12 + 8), // three examples a file
    ...changes,
  });

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

describeBackends(['cpu'], () => {
  describe('what a teacher said', () => {
    beforeEach(() => {
      asked.length = 0;
    });

    test.each([undefined, 0])(
      'is kept as float16, asked for once, whatever is held in memory (%s)',
      async (heldBytes) => {
        const said: string[] = [];
        const report = (line: string) => said.push(line.replaceAll(folder, 'FOLDER'));
        const outputs = await open({ heldBytes, report });
        await expectTensors(0, () => outputs.fill(4, 2, teacher));
        await expectTensors(0, () => outputs.fill(2, 2, teacher)); // is there
        expect(asked).toEqual([0, 1, 2, 3]);
        expect([outputs.kept, outputs.written, outputs.isComplete]).toEqual([4, 3, false]);
        const rows = [3, 0, 2, 3];
        const read = await expectTensors(2, () => outputs.batch(rows));
        const direct = await teacher(Int32Array.from(rows));
        for (const name of ['output', 'up_1']) {
          await expect(read[name], name).toBeAllclose(direct[name] as Tensor4D, 2 ** -11); // half a unit in the last place
          const difference = tf.max(tf.abs(tf.sub(read[name], direct[name])));
          expect((await difference.data())[0], name).toBeGreaterThan(0);
        }
        await outputs.fill(EXAMPLES, 2, teacher);
        await outputs.close();
        expect((await readdir(join(folder, 'kept'))).sort()).toEqual([
          '00000.safetensors',
          '00001.safetensors',
          '00002.safetensors',
          'latents.json',
        ]);

        asked.length = 0;
        const again = await open({ heldBytes, report, tensors: [feature] });
        expect(again.isComplete).toBe(true);
        await again.fill(EXAMPLES, 2, teacher);
        expect(asked).toEqual([]);
        const part = await again.batch(rows);
        expect(Object.keys(part)).toEqual(['up_1']);
        expect(await part.up_1.data()).toEqual(await read.up_1.data());
        expect((await again.batch([6])).up_1.shape).toEqual([1, 1, 2, 4]);
        await again.close();
        expect(said).toEqual([
          "the teacher's outputs for 7 examples (output 2x2x3, up_1 1x2x4) take 0.0 MB in FOLDER/kept",
          "the teacher's outputs for 7 examples are read from FOLDER/kept",
        ]);
      },
    );

    test('goes on after a kill from the last whole file, and makes again what is damaged', async () => {
      const first = await open();
      await first.fill(5, 1, teacher); // and is killed: 3 are in a file
      await first.close();
      const said: string[] = [];
      const report = (line: string) => said.push(line.replaceAll(folder, 'FOLDER'));
      asked.length = 0;
      const second = await open({ report });
      await second.fill(EXAMPLES, 4, teacher);
      expect(asked).toEqual([3, 4, 5, 6]);
      await second.close();
      const path = join(folder, 'kept', '00001.safetensors');
      const bytes = await readFile(path);
      await writeFile(path, bytes.subarray(0, 100));
      asked.length = 0;
      const third = await open({ report });
      await third.fill(EXAMPLES, 3, teacher);
      expect(asked).toEqual([3, 4, 5, 6]);
      expect(await readFile(path)).toEqual(bytes);
      await third.close();
      expect(said).toEqual([
        "the teacher's outputs for 7 examples (output 2x2x3, up_1 1x2x4) take 0.0 MB in FOLDER/kept; 3 are there",
        'FOLDER/kept/00001.safetensors is not what was written: made again from there',
        "the teacher's outputs for 7 examples (output 2x2x3, up_1 1x2x4) take 0.0 MB in FOLDER/kept; 3 are there",
      ]);
    });

    test('is refused where it is of something else, or not enough', async () => {
      const outputs = await open();
      await outputs.fill(EXAMPLES, 4, teacher);
      await outputs.close();
      const identity = { teacher: 'abd', seedKey: [1, 3] };
      expect(await complaintOf(open({ identity, examples: 8 }))).toMatchInlineSnapshot(`
        "FOLDER/kept holds a teacher's outputs for something else: delete it, or name another folder as distillation.cache.folder
          teacher: was "abc", is "abd"
          seedKey: was [1,2], is [1,3]
          examples: was 7, is 8"
      `);
      const more = [output, feature, { ...feature, name: 'up.0' }];
      expect(await complaintOf(open({ tensors: more }))).toMatchInlineSnapshot(
        `"FOLDER/kept keeps output, up_1 of the teacher, not up_0: let the student with the most features fill it, or name another folder as distillation.cache.folder"`,
      );
      const index = join(folder, 'kept', 'latents.json');
      const text = await readFile(index, 'utf8');
      await writeFile(index, JSON.stringify({ ...JSON.parse(text), identity: 'latents of something' }));
      expect(await complaintOf(open())).toMatchInlineSnapshot(
        `"FOLDER/kept does not hold a teacher's outputs: name another folder as distillation.cache.folder"`,
      );
      await writeFile(index, '{}');
      expect(await complaintOf(open())).toMatchInlineSnapshot(
        `"FOLDER/kept/latents.json: it is not of a teacher's outputs; name another folder as distillation.cache.folder"`,
      );
    });

    test('must have a float16, and the shapes that were promised', async () => {
      const outputs = await open();
      const loud: AskTeacher = async (examples) => ({
        ...(await teacher(examples)),
        output: tf.fill([1, 2, 2, 3], 7e4),
      });
      expect(await complaintOf(outputs.fill(1, 1, loud))).toMatchInlineSnapshot(
        `"the teacher's output has values that float16 has not: its outputs cannot be kept"`,
      );
      const wide: AskTeacher = async (examples) => ({ ...(await teacher(examples)), output: tf.zeros([1, 2, 2, 4]) });
      await expect(outputs.fill(1, 1, wide)).rejects.toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: TeacherOutputs.fill: output must be [1, 2, 2, 3], got [1, 2, 2, 4]]`,
      );
      expect(outputs.kept).toBe(0);
    });
  });
});

/** A teacher of the user's that counts what it is asked. */
const TEACHER = `globalThis.askedOfTeacher = [];
export default async (tf) => ({
  predictionType: 'v_prediction',
  channels: 4,
  features: [{ name: 'up.1', channels: 6, height: 4, width: 4 }],
  predict: (x, t) => {
    globalThis.askedOfTeacher.push(t.length);
    const feature = tf.avgPool(tf.add(x, tf.reshape(tf.div(t, 1000), [-1, 1, 1, 1])), 2, 2, 'same');
    return { output: tf.mul(x, 0.5), features: { 'up.1': tf.tanh(tf.concat([feature, tf.slice(feature, [0, 0, 0, 0], [-1, -1, -1, 2])], 3)) } };
  },
});
`;

const questions = () => (globalThis as { askedOfTeacher?: number[] }).askedOfTeacher ?? [];

describeBackends(['wasm'], () => {
  describe('a student', () => {
    const student = async (name: string, cache: object | undefined, changes: Partial<StageContext> = {}) => {
      const module = join(folder, 'teacher.mjs');
      await writeFile(module, TEACHER);
      const project = tinyProject(join(folder, name), ({ models, ...source }) => ({
        ...source,
        // 12 steps of 2: a pass and a half
        models: { sd: { ...models.sd, examples: 16, distillation: { module, ...(cache ? { cache } : {}) } } },
      }));
      return tinyContext(project, changes);
    };
    const weightsOf = async ({ folder: run }: StageContext) =>
      (await readCheckpointFile(run.stage('sd').weights)).tensors;
    const rowsOf = async ({ folder: run }: StageContext) => readMetrics(run.stage('sd').metrics);

    test('learns from what is kept as from the teacher itself, to within float16', async () => {
      const live = await student('live', undefined);
      await expectTensors(0, () => runModel(live, 'sd', tinyLatents()));
      expect(questions().reduce((a, b) => a + b, 0) % 24).toBe(0); // every step asks
      const kept = join(folder, 'kept');
      const cached = await student('cached', { folder: kept });
      questions().length = 0;
      await expectTensors(0, () => runModel(cached, 'sd', tinyLatents()));
      expect(questions()).toEqual(new Array(8).fill(2)); // the 16 examples, once
      const [a, b] = [await rowsOf(live), await rowsOf(cached)];
      for (const [i, row] of a.entries()) {
        for (const [name, value] of [['loss', row.loss] as const, ...Object.entries(row.parts)]) {
          const other = name === 'loss' ? b[i].loss : b[i].parts[name];
          expect(Math.abs(other / value - 1), `${name} of step ${row.step}`).toBeLessThan(2 ** -9);
        }
      }
      expect(b[0].loss).not.toBe(a[0].loss);
      // AdamW takes whole steps where a gradient is next to nothing, so single weights differ more than float16 does
      const [own, other] = [await weightsOf(live), await weightsOf(cached)];
      let [difference, size] = [0, 0];
      for (const [name, view] of own) {
        const [x, y] = [toFloat32(view), toFloat32(other.get(name) as typeof view)];
        difference += x.reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0);
        size += x.reduce((sum, value) => sum + value ** 2, 0);
      }
      expect(Math.sqrt(difference / size)).toBeLessThan(1e-4);

      questions().length = 0;
      const second = await student('second', { folder: kept });
      await expectTensors(0, () => runModel(second, 'sd', tinyLatents()));
      expect(questions()).toEqual([]);
      const bytes = (context: StageContext) => readFile(context.folder.stage('sd').checkpoint);
      expect((await bytes(second)).equals(await bytes(cached))).toBe(true);

      const during = await student('during', { fill: 'during' });
      await expectTensors(0, () => runModel(during, 'sd', tinyLatents()));
      expect(questions()).toEqual(new Array(8).fill(2));
      const finished = (context: StageContext) => readFile(context.folder.stage('sd').weights);
      expect((await finished(during)).equals(await finished(cached))).toBe(true);
      expect((await readdir(during.folder.teacherOutputs)).sort()).toEqual(['00000.safetensors', 'latents.json']);
    });

    test('that is interrupted goes on to the same bytes, whatever of the outputs was lost', async () => {
      const whole = await student('whole', { fill: 'during' });
      await runModel(whole, 'sd', tinyLatents());
      const controller = new AbortController();
      const stopped = await student('stopped', { fill: 'during' }, { signal: controller.signal });
      const latents = tinyLatents();
      const batch = latents.batch.bind(latents);
      let drawn = 0;
      latents.batch = (indices) => {
        if (++drawn === 10) controller.abort(); // twice a step: once for the teacher
        return batch(indices);
      };
      const { steps, interrupted } = await runModel(stopped, 'sd', latents);
      expect(interrupted).toBe(true);
      expect(steps).toBe(5);
      questions().length = 0;
      await runModel({ ...tinyContext(stopped.config), resume: true }, 'sd', tinyLatents());
      expect(questions().reduce((a, b) => a + b, 0)).toBe(16); // no file was whole
      for (const file of ['checkpoint', 'weights'] as const) {
        const [a, b] = [whole, stopped].map((context) => readFile(context.folder.stage('sd')[file]));
        expect((await a).equals(await b), file).toBe(true);
      }
      expect((await rowsOf(stopped)).at(-1)?.step).toBe(TINY_STEPS - 1);
      const live = await student('stopped', undefined);
      expect(await complaintOf(runModel({ ...live, resume: true }, 'sd', tinyLatents()))).toContain(
        'teacher.kept: was "float16", is absent',
      );
    });

    test('stops while the teacher is asked, and says how much is kept', async () => {
      const controller = new AbortController();
      const said: string[] = [];
      const openProgress = () => ({ update: (done: number) => done === 6 && controller.abort(), stop: () => {} });
      const { signal } = controller;
      const context = await student('early', {}, { signal, openProgress, report: (line) => said.push(line) });
      await expect(runModel(context, 'sd', tinyLatents())).rejects.toThrow(/abort/i);
      expect(said.at(-1)).toBe('0 of 16 examples are kept: the next run goes on from there');
    });
  });
});
