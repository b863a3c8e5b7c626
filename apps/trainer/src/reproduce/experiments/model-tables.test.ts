import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { presets } from '@sd/unet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentProgress } from '../../console/progress';
import type { Evaluation } from '../../evaluation/evaluation';
import { writeEvaluation } from '../../evaluation/evaluation-file';
import { Pieces } from '../pieces';
import { CLASS_CONDITIONAL, TEXT_TO_IMAGE, UNCONDITIONAL } from '../published';
import type { ReproductionContext } from '../reproduction';
import { table2, table3, table4 } from './model-tables';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-tables-'));
});
afterAll(() => rm(folder, { recursive: true }));

const context = (models: string): ReproductionContext => {
  const { signal } = new AbortController();
  const pieces = new Pieces(join(folder, 'pieces'), signal);
  return { scale: 'smoke', seed: 0, folder, models, pieces, openProgress: silentProgress, signal, report: () => {} };
};

const evaluation = (changes: Partial<Evaluation>): Evaluation => ({
  format: 'sd-evaluation-1',
  name: 'sd',
  date: '2026-01-02T03:04:05Z',
  backend: 'cpu',
  generated: { description: 'samples', count: 100, size: 256 },
  reference: { description: 'faces', count: 100, pixels: '' },
  features: { network: 'inception-v3', sha256: '' },
  metrics: {
    fid: 12.345,
    kid: { mean: 0, deviation: 0, subsets: 1, size: 1 },
    precision: 0,
    recall: 0,
    single: { generated: 1, reference: 1 },
    lowFrequencyError: 0,
    highFrequencyError: 0,
  },
  spectra: { generated: { frequency: [], power: [] }, reference: { frequency: [], power: [] } },
  ...changes,
});

test('every published model has a preset, each once, and every preset is in a table', () => {
  const named = [...UNCONDITIONAL, ...CLASS_CONDITIONAL, ...TEXT_TO_IMAGE].map(({ preset }) => preset);
  expect([...named].sort()).toEqual(Object.keys(presets).sort());
});

test('table 2 has published sizes beside ours, and says where they differ', async () => {
  const { tables, findings } = await table2.run(context(join(folder, 'nothing')));
  expect(tables).toHaveLength(1);
  expect(tables[0].rows[2]).toEqual(['FFHQ', 'SD', '21.1 M', '21.1 M', '6.7 G', '6.73 G', '10.5', null]);
  expect(tables[0].rows[7]).toEqual(['LSUN-Bedroom', 'Lite-LDM', '22.4 M', '22.4 M', '7.9 G', '7.85 G', null, null]);
  expect(findings.join('\n')).toContain('16 of 23 published sizes are ours, to the digit');
  expect(findings.join('\n')).toContain('MACs of LDM on FFHQ: 96.02 G, published 96.1 G');
  expect(findings.at(-1)).toBe('No evaluation of a trained model was at hand: no FID here is ours.');
});

test('an FID is filled in where a model of that very size was evaluated, and only there', async () => {
  const models = join(folder, 'run');
  const sd = { weights: '', sha256: '', parameters: 45_390_339, macs: 9_904_373_760 };
  await writeEvaluation(join(models, 'small', 'evaluation.json'), evaluation({ name: 'small' }));
  const { values } = await table3.run(context(join(folder, 'nothing')));
  const [, , { macs }] = values.ours as { macs: number }[];
  await writeEvaluation(join(models, 'sd', 'evaluation.json'), evaluation({ model: { ...sd, macs } }));
  const { tables } = await table3.run(context(models));
  expect(tables[0].rows.map((row) => row.at(-1))).toEqual([null, null, '12.3']);
  expect(tables[1].rows.map(([name, parameters]) => [name, parameters])).toEqual([
    ['sd', '45.4 M'],
    ['small', null],
  ]);
});

test('table 4 leaves open what was not published', async () => {
  const { tables } = await table4.run(context(join(folder, 'nothing')));
  expect(tables[0].rows[1]).toEqual(['MS-COCO', 'Lite-LDM', null, '81.5 M', null, '8.04 G', null, null]);
});
