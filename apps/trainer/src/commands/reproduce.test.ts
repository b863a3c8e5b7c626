import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UserError } from '../user-error';
import { type ReproduceOptions, reproduce } from './reproduce';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-reproduce-'));
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** Where there are no models. */
function options(changes: Partial<ReproduceOptions> = {}): ReproduceOptions {
  return {
    scale: 'smoke',
    out: join(folder, 'out'),
    models: join(folder, 'none'),
    seed: 0,
    backend: 'cpu',
    ...changes,
  };
}

const missing = () =>
  `there are no trained models at ${join(folder, 'none')}: make them with \`sd demo\`, and name their folder as --models`;

test('figures whose models are missing are passed over, and named in what is printed and in the one report', async () => {
  const printed = await reproduce(['table2', 'fig2', 'fig7', 'table3'], options());
  expect(printed.split('\n')).toEqual([
    join(folder, 'out/report.html'),
    `not run: fig2: ${missing()}`,
    `not run: fig7: ${missing()}`,
  ]);
  const html = await readFile(join(folder, 'out/report.html'), 'utf8');
  for (const part of ['id="table2-smoke"', 'id="table3-smoke"', 'href="#not-run"', '`sd demo`']) {
    expect(html).toContain(part);
  }
});

test('a figure that is asked for alone says what is missing', async () => {
  await expect(reproduce(['fig2'], options())).rejects.toThrow(missing());
});

test('pieces are computed without a result, and joined without computing', async () => {
  const pieces = join(folder, 'out/smoke/fig3/pieces');
  expect(await reproduce(['fig3'], options({ pieces: ['t50-'] }))).toBe(`fig3: 2 of 8 pieces, which are in ${pieces}`);
  expect((await readdir(pieces)).sort()).toEqual(['t50-seed0.json', 't50-seed1.json']);
  await expect(reproduce(['fig3'], options({ finished: true }))).rejects.toThrow(
    `${pieces}: 6 of 8 pieces are not finished: t200-seed0, t200-seed1,`,
  );
  await reproduce(['fig3'], options({ pieces: true }));
  expect(await readdir(join(folder, 'out/smoke/fig3'))).toEqual(['pieces']);
  await reproduce(['fig3'], options({ finished: true }));
  expect(await readdir(join(folder, 'out/smoke/fig3'))).toContain('result.json');
});

test('options that contradict each other are refused', async () => {
  await expect(
    reproduce(['fig3'], options({ pieces: true, finished: true })),
  ).rejects.toThrowErrorMatchingInlineSnapshot(
    `[UserError: --pieces computes and --finished does not: give one of them]`,
  );
  await expect(reproduce(['table5'], options({ data: 'photos' }))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[UserError: photographs are encoded by a first stage that is given: --data and --first-stage go together]`,
  );
});

test('photographs or a first stage that are not there are told of, and nothing of them is kept', async () => {
  const [data, firstStage] = [join(folder, 'photos'), join(folder, 'taef2')];
  await expect(reproduce(['table5'], options({ data, firstStage }))).rejects.toThrow(
    new UserError(`there is no first stage at ${firstStage}`),
  );
  await mkdir(firstStage);
  await expect(reproduce(['table5'], options({ data, firstStage }))).rejects.toThrow(
    new UserError(`data: there is no folder ${data}`),
  );
  expect(await readdir(join(folder, 'out/smoke/table5'))).toEqual(['pieces']);
});

test('students that are trained longer have more steps than the others', async () => {
  await expect(reproduce(['table5'], options({ steps: 3, longer: 3 }))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[UserError: table5: --longer must be more than the 3 steps of all students]`,
  );
});
