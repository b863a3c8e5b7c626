import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoencoderTiny, tinyPresets } from '@sd/autoencoder';
import { useBackend } from '@sd/backend';
import { writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentProgress } from '../../console/progress';
import { encodePng } from '../../data/image-file';
import { writeAtomically } from '../../files/atomic-file';
import { type PieceChoice, Pieces } from '../pieces';
import { predictionErrors } from '../prediction-errors';
import type { ReproductionContext } from '../reproduction';
import { table5 } from './table5';

let folder: string;
let photographs: { folder: string; firstStage: string };
beforeAll(async () => {
  await useBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'sd-table5-'));
  photographs = { folder: join(folder, 'photographs'), firstStage: join(folder, 'taef2') };
  for (let i = 0; i < 4; i++) {
    const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, j) => 128 + 100 * Math.sin(0.01 * j * (i + 1)));
    await writeAtomically(join(photographs.folder, `${i}.png`), await encodePng(pixels, 64, 64));
  }
  const firstStage = new AutoencoderTiny(tinyPresets.taef2).initialize(randomKey(0));
  for (const half of ['encoder', 'decoder'] as const) {
    const state = writeSafetensors(await firstStage[half].stateDict());
    await writeAtomically(join(photographs.firstStage, `taef2_${half}.safetensors`), state);
  }
  firstStage.dispose();
});
afterAll(() => rm(folder, { recursive: true }));

function run(
  choice: PieceChoice,
  given?: ReproductionContext['photographs'],
  changes: Pick<ReproductionContext, 'examples' | 'longer'> = {},
) {
  const own = join(folder, 'out');
  const { signal } = new AbortController();
  const pieces = new Pieces(join(own, 'pieces'), signal, choice);
  const context = {
    scale: 'smoke',
    seed: 0,
    folder: own,
    models: '',
    pieces,
    signal,
    photographs: given,
    ...changes,
  } as const;
  return table5.run({ ...context, openProgress: silentProgress, report: () => {} });
}

test('photographs are prepared once; then a teacher and students of them are trained without them, in parts', async () => {
  const before = tf.memory().numTensors;
  await expect(run({ only: ['data'] }, photographs)).rejects.toThrow('0 of 22 pieces');
  await rm(photographs.folder, { recursive: true });
  await expect(run({ only: ['teacher', 'lite', 'full'] })).rejects.toThrow('3 of 22 pieces');
  const { values, tables, findings, settings } = await run('none');
  expect(tf.memory().numTensors).toBe(before);
  expect(settings).toMatchObject({ source: 'photographs', milestones: [1, 2], data: '4 photographs of 64 px' });
  expect(findings[0]).toBe('19 of the trainings are not finished: shown is what had been measured of them.');
  const [{ rows }] = tables;
  const number = /^\d+\.\d+$/; // of one seed
  const known = rows.map(([student, , frechet, , , error]) => [
    student,
    number.test(`${frechet}`),
    number.test(`${error}`),
  ]);
  expect(known.slice(0, 7)).toEqual([
    ['the teacher', true, false],
    ['Lite', true, true],
    ['Lite + WG', false, false],
    ['SD without WG', false, false],
    ['SD without L_spatial', false, false],
    ['SD without L_freq', false, false],
    ['SD', true, true],
  ]);
  const [, ...effects] = tables[1].rows.map(([label, , ...at]) => [label, at.filter((cell) => cell !== null).length]);
  expect(effects.at(-1)).toEqual(['all of it', 3]); // two measurements, and the error of the prediction
  expect(values.teacher).toMatchObject({ frechet: expect.any(Number), high: expect.any(Number) });
  const other = { ...photographs, folder: join(folder, 'other') };
  await expect(run('none', other)).rejects.toThrow(`is of ${photographs.folder}, not of ${other.folder}`);
});

test('lambdas and longer trainings are drawn once there are some of them', async () => {
  const names = (figures: readonly { readonly name: string }[]) => figures.map(({ name }) => name);
  expect(names((await run('none')).figures)).toEqual(['table5-budget-frechet', 'table5-budget-high']);
  const longer = { longer: 4 };
  const some = { only: ['lambda-tenth', 'longer-lite', 'longer-full'] };
  await expect(run(some, undefined, longer)).rejects.toThrow('3 of 26 pieces');
  const { figures, tables, findings, values, settings } = await run('none', undefined, longer);
  expect(names(figures).slice(2)).toEqual(['table5-lambda', 'table5-longer']);
  expect(settings).toMatchObject({ longerSteps: 4 });
  const { title, columns, rows } = tables[2];
  expect([title, columns]).toEqual(['4 steps instead of 2', ['student', 'after 2 steps', 'after 4 steps']]);
  expect(rows).toEqual([
    ['Lite', expect.stringMatching(/^\d+\.\d\d$/), expect.stringMatching(/^\d+\.\d\d$/)],
    ['SD', expect.stringMatching(/^\d+\.\d\d \([+−]\d+\.\d\d\)$/), expect.stringMatching(/ \([+−]\d+\.\d\d\)$/)],
  ]);
  expect(findings.at(-1)).toMatch(
    /^After 4 steps, of seed 0 alone, Lite is at \d+\.\d\d, and the others differ from it by: SD: .*, where 2 steps gave/,
  );
  const { steps, students } = values.longer as {
    steps: number;
    students: { name: string; runs: { at: unknown[] }[] }[];
  };
  expect(steps).toBe(4);
  expect(students.map(({ name, runs: [{ at }] }) => [name, at.length])).toEqual([
    ['lite', 2],
    ['wg', 0],
    ['full', 2],
    ['output-ten', 0],
  ]);
});

test('students are compared with the teacher by what they predict of the same examples', async () => {
  const root = join(folder, 'out/photographs/models/steps-2-seed-0');
  const before = tf.memory().numTensors;
  const errors = await predictionErrors(root, { examples: 64, ranges: 2, seed: 0 });
  expect(tf.memory().numTensors).toBe(before);
  expect(errors.map(({ name }) => name)).toEqual(['teacher', 'lite', 'full', 'lambda-tenth']);
  const [teacher, ...students] = errors;
  expect(teacher.fromFirst).toEqual([0, 0]);
  for (const { error, fromFirst } of students) {
    for (const [i, distance] of fromFirst.entries()) {
      // the triangle inequality between prediction, teacher's prediction and target
      expect(Math.sqrt(distance)).toBeGreaterThan(Math.abs(Math.sqrt(error[i]) - Math.sqrt(teacher.error[i])) - 1e-6);
      expect(Math.sqrt(distance)).toBeLessThan(Math.sqrt(error[i]) + Math.sqrt(teacher.error[i]));
    }
  }
  await expect(predictionErrors(root, { examples: 65, ranges: 2, seed: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: predictionErrors: examples must be a multiple of 64, in ranges that divide it, got 65]`,
  );
});

test('students of a finite set of examples read what the teacher said once, whatever they compare', async () => {
  const outputs = join(folder, 'out/photographs/outputs/examples-4-seed-0');
  await expect(run({ only: ['output-only'] }, undefined, { examples: 4 })).rejects.toThrow('1 of 22 pieces');
  const written = await stat(join(outputs, '00000.safetensors'));
  await expect(run({ only: ['no-freq', 'full'] }, undefined, { examples: 4 })).rejects.toThrow('2 of 22 pieces');
  expect((await stat(join(outputs, '00000.safetensors'))).mtimeMs).toBe(written.mtimeMs);
  const { settings, tables, findings } = await run('none', undefined, { examples: 4 });
  expect(settings).toMatchObject({ examples: 4 });
  const measured = tables[0].rows.filter(([, , frechet]) => frechet !== null).map(([student]) => student);
  expect(measured).toEqual(['the teacher', 'SD without L_freq', 'SD', 'SD, output alone']);
  expect(findings.at(-1)).toMatch(
    /^What the paper leaves open, .* of seed 0 alone: SD, output alone: [+−]\d+\.\d\d\. SD itself/,
  );
  // those that drew new examples at every step are other students
  expect(await readdir(join(folder, 'out/photographs/models'))).toEqual([
    'steps-2-examples-4-seed-0',
    'steps-2-seed-0',
    'steps-4-seed-0',
  ]);
});
