import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@sd/backend';
import '@sd/testing';
import { readSafetensors } from '@sd/checkpoint';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readStage, trainWhole, waitForRows, writeLongProject } from './long-project';
import { spawnCli } from './spawn-cli';

const STEPS = 150;
const windows = process.platform === 'win32';

let folder: string;
let whole: Awaited<ReturnType<typeof readStage>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-interrupt-'));
  await useBackend('wasm');
  whole = await trainWhole(join(folder, 'out'), STEPS);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// The same folder for every run: the checkpoint's bytes do not depend on it, but nothing else should either.
test.skipIf(windows)(
  'Ctrl-C saves and exits with 130; --resume ends in the bytes of an uninterrupted run; neither a forgotten flag nor a full disk costs the checkpoint',
  async () => {
    const out = join(folder, 'interrupted');
    const project = await writeLongProject(out, STEPS);
    const train = ['train', '--config', project];
    const first = spawnCli(train);
    await waitForRows(out, 3);
    first.child.kill('SIGINT');
    const { code, stderr } = await first.ended;
    expect(stderr).toMatch(/stopping after this step/);
    expect(stderr).toMatch(/stopped after \d+ steps; .*checkpoint.safetensors holds everything: go on with --resume/);
    expect(code).toBe(130);
    const checkpoint = join(out, 'teacher', 'checkpoint.safetensors');
    const saved = await readFile(checkpoint);
    const done = Number(readSafetensors(saved).metadata.step);
    expect(done).toBeGreaterThan(20);
    expect(done).toBeLessThan(STEPS);

    // stands in for a full disk: 200 KB a file are enough for the log but not for the checkpoint
    expect(saved.length).toBeGreaterThan(200 * 512);
    const [unasked, both] = await Promise.all([
      spawnCli(train).ended,
      spawnCli([...train, '--resume', '--overwrite']).ended,
    ]);
    expect(unasked.stderr).toContain(
      `${checkpoint} exists: continue from it with --resume, or start anew with --overwrite`,
    );
    expect(both.stderr).toContain('--resume continues a training and --overwrite starts anew: give one of them');
    expect([unasked.code, both.code]).toEqual([1, 1]);
    const full = await spawnCli([...train, '--resume'], { blocks: 200 }).ended;
    expect(full.stderr).toMatch(/error cannot write .*checkpoint.safetensors: .*what was there before is intact/);
    expect(full.stderr).not.toMatch(/^ {4}at /m);
    expect(full.code).toBe(1);
    expect((await readFile(checkpoint)).equals(saved)).toBe(true);

    const resumed = await spawnCli([...train, '--resume']).ended;
    expect(resumed.stderr).toContain(`continuing train teacher after ${done} steps`);
    expect(resumed.code).toBe(0);
    const stage = await readStage(out);
    expect(stage.rows).toEqual(whole.rows);
    expect(stage.checkpoint.equals(whole.checkpoint)).toBe(true);
    expect(stage.weights.equals(whole.weights)).toBe(true);
  },
  300_000, // six processes, each of which compiles the command
);
