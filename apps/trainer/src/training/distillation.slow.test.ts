import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBackends, expectTensors } from '@sd/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UserError } from '../user-error';
import { readMetrics } from './metrics-log';
import { runModel } from './run-stages';
import { tinyContext, tinyLatents, tinyProject } from './tiny-project';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-distillation-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A teacher that is a function: it says half of what it sees, and has a feature as large as the student's `up.1`. */
const TEACHER = `export default async (tf) => ({
  predictionType: 'v_prediction',
  channels: 4,
  features: [{ name: 'up.1', channels: 4, height: 4, width: 4 }],
  predict: (x, t) => ({
    output: tf.mul(x, 0.5),
    features: { 'up.1': tf.avgPool(tf.add(x, tf.reshape(tf.div(t, 1000), [-1, 1, 1, 1])), 2, 2, 'same') },
  }),
});
`;

const distilled = (name: string, distillation: object) =>
  tinyContext(
    tinyProject(join(folder, name), ({ models, ...source }) => ({
      ...source,
      models: { sd: { ...models.sd, distillation } },
    })),
  );

const complaintOf = (context: ReturnType<typeof distilled>) =>
  runModel(context, 'sd', tinyLatents()).then(
    () => 'nothing was refused',
    (error: Error) => {
      expect(error).toBeInstanceOf(UserError);
      return error.message.replaceAll(folder, 'FOLDER');
    },
  );

describeBackends(['wasm'], () => {
  test('any function can teach: output and features by name or by level, every part in the log', async () => {
    const module = join(folder, 'teacher.mjs');
    await writeFile(module, TEACHER);
    const parts = async (name: string, features: unknown) => {
      const context = distilled(name, { module, features });
      await expectTensors(0, () => runModel(context, 'sd', tinyLatents()));
      const rows = await readMetrics(context.folder.stage('sd').metrics);
      for (const value of Object.values(rows[0].parts)) expect(value).toBeGreaterThan(0);
      return rows[0].parts;
    };
    const both = await parts('both', [1]);
    expect(Object.keys(both)).toEqual([
      'diffusion',
      'spatial',
      'frequency',
      'spatial/output',
      'frequency/output',
      'spatial/up_1',
      'frequency/up_1',
    ]);
    expect(both['spatial/output'] + both['spatial/up_1']).toBeCloseTo(both.spatial, 4);
    expect(Object.keys(await parts('output', 'output'))).toEqual(['diffusion', 'spatial', 'frequency']);
  });

  test('a module that is no teacher, or does not fit, is refused', async () => {
    const check = async (code: string, features: unknown = 'all') => {
      const module = join(folder, `${Math.abs([...code].reduce((sum, c) => (31 * sum + c.charCodeAt(0)) | 0, 0))}.mjs`);
      await writeFile(module, code);
      return (await complaintOf(distilled('refused', { module, features }))).replace(/\d+\.mjs/, 'TEACHER.mjs');
    };
    expect(await check('export default 5;')).toMatchInlineSnapshot(
      `"the teacher FOLDER/TEACHER.mjs cannot be loaded: it has no function as its default export"`,
    );
    expect(await check('export default () => ({});')).toMatchInlineSnapshot(
      `"the teacher FOLDER/TEACHER.mjs gives no teacher: predict must be a function (x, t, condition) => { output, features }"`,
    );
    expect(await check(TEACHER.replace('v_prediction', 'eps'))).toMatchInlineSnapshot(
      `"the teacher FOLDER/TEACHER.mjs gives no teacher: predictionType must be epsilon, v_prediction or sample, got eps"`,
    );
    expect(await check(TEACHER.replace('v_prediction', 'epsilon'))).toMatchInlineSnapshot(
      `"config: diffusion.predictionType is v_prediction, but teacher FOLDER/TEACHER.mjs predicts epsilon"`,
    );
    expect(await check(TEACHER.replace('channels: 4,', 'channels: 3,'))).toMatchInlineSnapshot(
      `"teacher FOLDER/TEACHER.mjs takes 3 channels, the student 4"`,
    );
    expect(await check(TEACHER.replace('height: 4', 'height: "x"'))).toMatchInlineSnapshot(
      `"the teacher FOLDER/TEACHER.mjs gives no teacher: features must be a list of { name, channels, height, width }"`,
    );
    expect(await check(TEACHER, ['up.0'])).toMatchInlineSnapshot(
      `"config: distillation.features: teacher and student do not both have a feature "up.0" (did you mean "up.1"?)"`,
    );
    expect(await complaintOf(distilled('none', { module: join(folder, 'none.mjs') }))).toMatch(/cannot be loaded/);
  });
});
