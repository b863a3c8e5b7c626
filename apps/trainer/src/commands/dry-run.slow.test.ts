import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { spawnCli } from '../spawn-cli';
import { tinyProjectSource } from '../training/tiny-project';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-dry-run-'));
});
afterAll(() => rm(folder, { recursive: true }));

const numberless = (text: string) => text.replace(/\d[\d,.e+]*/g, 'N').replace(/N (h N min|min N s|days)$/gm, 'N s');

test('--dry-run says what a distillation takes, without data or weights, and --batch is tried before the run', async () => {
  const file = join(folder, 'project.yaml');
  await writeFile(file, JSON.stringify(tinyProjectSource(join(folder, 'out'))));
  const { code, stdout, stderr } = await spawnCli([
    'distill',
    '--config',
    file,
    '--batch',
    '4',
    '--micro-batch',
    '2',
    '--dry-run',
  ]).ended;
  expect(code, stderr).toBe(0);
  expect(numberless(stdout)).toMatchInlineSnapshot(`
    "sd: N parameters, N G MACs for one latent; teacher teacher: N N G
    memory: weights N MB, AdamW's moments N MB, average N MB, gradients N MB, teacher N MB, activations N MB for N at once
            N MB of tensors at the most, measured on wasm; the backend's own buffers come on top
    a step: a batch of N N times N N G MACs, N s by one that took N s
    N steps: N MACs, N s
    "
  `);
  const refused = await spawnCli(['distill', '--config', file, '--batch', '4', '--micro-batch', '3', '--dry-run'])
    .ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('--micro-batch 3 does not divide the batch, 4');
});
