import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MetricsLog, readMetrics } from './metrics-log';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-log-'));
});
afterAll(() => rm(folder, { recursive: true }));

const row = (step: number) => ({
  step,
  loss: 1 / (step + 1),
  learningRate: 0.1,
  gradientNorm: 2,
  seconds: step,
  parts: {},
});

test('a log is continued from a step: later rows and a line cut short by a crash are dropped', async () => {
  const path = join(folder, 'metrics.jsonl');
  expect(await readMetrics(path)).toEqual([]);
  const log = await MetricsLog.open(path, 0);
  await log.append([0, 10, 20].map(row));
  await appendFile(path, '{"step":30,"lo');
  const again = await MetricsLog.open(path, 11);
  expect(again.earlier).toEqual([0, 10].map(row));
  await again.append([row(20)]);
  expect(await readMetrics(path)).toEqual([0, 10, 20].map(row));
});

test('a new log forgets the old one', async () => {
  const path = join(folder, 'other.jsonl');
  await (await MetricsLog.open(path, 0)).append([row(0)]);
  await MetricsLog.open(path, 0);
  expect(await readMetrics(path)).toEqual([]);
});

test('the same rows are a table beside the log, across a resumption too', async () => {
  const path = join(folder, 'table.jsonl');
  const rows = [0, 10, 20].map((step) => ({ ...row(step), parts: { spatial: step, frequency: 0.5 } }));
  const log = await MetricsLog.open(path, 0);
  await log.append(rows.slice(0, 2));
  await (await MetricsLog.open(path, 10)).append(rows.slice(2));
  expect(await readFile(join(folder, 'table.csv'), 'utf8')).toBe(
    [
      'step,loss,learning_rate,gradient_norm,seconds,spatial,frequency',
      '0,1,0.1,2,0,0,0.5',
      `20,${1 / 21},0.1,2,20,20,0.5`,
      '',
    ].join('\n'),
  );
});
