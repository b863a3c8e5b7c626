import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@sd/backend';
import '@sd/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readStage, trainWhole, waitForRows, writeLongProject } from './long-project';
import { spawnCli } from './spawn-cli';

const STEPS = 400;

let folder: string;
let whole: Awaited<ReturnType<typeof readStage>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-kill-'));
  await useBackend('wasm');
  whole = await trainWhole(join(folder, 'whole'), STEPS);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function expectWhole(out: string) {
  const stage = await readStage(out);
  expect(stage.rows).toEqual(whole.rows);
  expect(stage.checkpoint.equals(whole.checkpoint)).toBe(true);
  expect(stage.weights.equals(whole.weights)).toBe(true);
}

test.skipIf(process.platform === 'win32')('SIGTERM saves and exits like Ctrl-C', async () => {
  const out = join(folder, 'terminated');
  const train = ['train', '--config', await writeLongProject(out, STEPS)];
  const first = spawnCli(train);
  await waitForRows(out, 3);
  first.child.kill('SIGTERM');
  expect((await first.ended).code).toBe(143); // 128 + 15
  expect((await spawnCli([...train, '--resume']).ended).code).toBe(0);
  await expectWhole(out);
});

test('kill -9 at any moment leaves a checkpoint to resume from, or none yet', async () => {
  const out = join(folder, 'killed');
  const train = ['train', '--config', await writeLongProject(out, STEPS)];
  for (let round = 0; round < 4; round++) {
    const hasCheckpoint = existsSync(join(out, 'teacher', 'checkpoint.safetensors'));
    const run = spawnCli(hasCheckpoint ? [...train, '--resume'] : train);
    await waitForRows(out, 2);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5000));
    run.child.kill('SIGKILL');
    await run.ended;
  }
  const hasCheckpoint = existsSync(join(out, 'teacher', 'checkpoint.safetensors'));
  const last = await spawnCli(hasCheckpoint ? [...train, '--resume'] : train).ended;
  expect(last.code, last.stderr).toBe(0);
  await expectWhole(out);
});

test.each(['demo', 'info', 'train-autoencoder', 'encode', 'train', 'distill', 'sample', 'evaluate', 'export', 'serve'])(
  '%s explains itself',
  async (verb) => {
    const { code, stdout, stderr } = await spawnCli([verb, '--help']).ended;
    expect(stdout).toMatch(new RegExp(`^Usage: sd ${verb} `));
    expect(stdout).toContain('-h, --help');
    expect([code, stderr]).toEqual([0, '']);
  },
);
