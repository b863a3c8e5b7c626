import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEstimate } from '../cost/estimate';
import { lineFigure } from '../figures/line-figure';
import { type ReproductionResult, readResult, writeResult } from '../reproduction-result';
import { reproductionDocs } from './reproduction-docs';
import { writeReproductionReport } from './reproduction-report';
import { resultsIn } from './results-in';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-report-'));
});
afterEach(() => rm(folder, { recursive: true }));

const result: Omit<ReproductionResult, 'figures'> = {
  format: 'sd-reproduction-1',
  name: 'fig3',
  title: 'Figure 3: a <test>',
  paper: 'It says so.',
  method: 'We look.',
  scale: 'tiny',
  seed: 7,
  date: '2026-01-02T03:04:05Z',
  backend: 'cpu',
  seconds: 75,
  settings: { steps: 10 },
  tables: [{ title: 'Numbers', note: 'Of a test.', columns: ['a', '|b|'], rows: [['1', null]] }],
  findings: ['It is 1 & not 2.'],
  values: { a: 1 },
};
const svg = lineFigure({
  title: 'Two & lines',
  x: { name: 'x', logarithmic: true },
  y: { name: 'y' },
  lines: [
    { label: 'a < b', points: [[1, 0.5] as const, [100, 2] as const], deviation: [0.1, 0.2] },
    { label: 'c', points: [[1, 1] as const, [10, Number.NaN] as const, [100, 1] as const] },
  ],
});
const figure = { name: 'fig3-lines', title: 'Lines', caption: 'Two lines.', svg };

test('a figure is an SVG that stands alone and a PNG of twice its size', async () => {
  await writeResult(folder, result, [figure]);
  const text = await readFile(join(folder, 'fig3-lines.svg'), 'utf8');
  expect(text).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="(\d+)" height="320"/);
  expect(text).toContain('<title>Two &amp; lines</title>');
  expect(text).toContain('>a &lt; b</text>');
  expect(text).not.toContain('var(--');
  const [, width] = text.match(/width="(\d+)"/) ?? [];
  const png = await sharp(join(folder, 'fig3-lines.png')).metadata();
  expect(png).toMatchObject({ format: 'png', width: 2 * Number(width), height: 640 });
});

test('what is written is read again; what is broken is refused with its name', async () => {
  await writeResult(folder, result, [figure]);
  const file = join(folder, 'result.json');
  const { svg: _, ...plain } = figure;
  expect(await readResult(file)).toEqual({ ...result, figures: [plain] });
  await writeFile(file, JSON.stringify({ ...result, figures: [{ ...plain, name: '../../x' }] }));
  await expect(readResult(file)).rejects.toThrow(
    `${file}: not a result of \`sd reproduce\`: figures.0.name: lower-case letters, digits and "-"`,
  );
  await writeFile(file, '{');
  await expect(readResult(file)).rejects.toThrow(`${file}: not a result of \`sd reproduce\`: `);
  await expect(readResult(join(folder, 'none'))).rejects.toThrow(
    `there is no result at ${join(folder, 'none')}: make one with \`sd reproduce\``,
  );
});

test('the report holds every result of its folder with its pictures, and asks nobody for anything', async () => {
  await writeResult(join(folder, 'tiny/fig3'), result, [figure]);
  await writeResult(join(folder, 'smoke/fig3'), { ...result, scale: 'smoke' }, []);
  expect((await resultsIn(folder)).map(({ result: { scale } }) => scale)).toEqual(['tiny', 'smoke']);
  await writeReproductionReport(folder);
  const html = await readFile(join(folder, 'report.html'), 'utf8');
  expect(html).toContain('Figure 3: a &lt;test>');
  expect(html).toContain('It is 1 &amp; not 2.');
  expect(html).toContain('Its numbers mean nothing.');
  expect(html).toContain('1 min 15 s of computing');
  expect(html).toContain(`src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}"`);
  expect(html.match(/(src|href)="(?!data:|#)[^"]*"/g)).toBeNull();
});

test('the page of the documents has findings, figures and tables', () => {
  const { svg: _, ...plain } = figure;
  const page = reproductionDocs([{ result: { ...result, figures: [plain] }, pictures: 'reproduction/tiny/fig3' }]);
  expect(page.slice(page.indexOf('- Figure'))).toMatchInlineSnapshot(`
    "- Figure 3: a <test> (tiny)

    ## Figure 3: a <test> (tiny)

    \`sd reproduce fig3 --scale tiny --seed 7\`, 2026-01-02, 1 min 15 s of computing; cpu. Scale tiny: what two cores compute.

    **Paper.** It says so.

    **Here.** We look. Settings: \`{"steps":10}\`.

    - It is 1 & not 2.

    ![Two lines.](reproduction/tiny/fig3/fig3-lines.svg)

    Two lines.

    **Numbers.** Of a test.

    | a | \\|b\\| |
    | - | ----- |
    | 1 | —     |
    "
  `);
});

test('docs/reproduction.md is what its JSON files make', async () => {
  const docs = fileURLToPath(new URL('../../../../../docs', import.meta.url));
  const kept = (await resultsIn(join(docs, 'reproduction'))).map((one) => ({
    ...one,
    pictures: `reproduction/${one.result.scale}/${one.result.name}`,
  }));
  expect(kept.length).toBeGreaterThan(0);
  expect(await readFile(join(docs, 'reproduction.md'), 'utf8')).toBe(
    reproductionDocs(
      kept,
      await readEstimate(join(docs, 'reproduction')),
      await readFile(join(docs, 'reproduction/summary.md'), 'utf8'),
    ),
  );
});
