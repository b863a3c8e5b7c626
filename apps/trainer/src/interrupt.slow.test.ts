import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@sd/backend';
import '@sd/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunFolder, type StageFolder } from './config/run-folder';
import { readStage, trainWhole, waitForRows, waitUntil, writeLongProject } from './long-project';
import { type CliRun, spawnCli } from './spawn-cli';
import { readCheckpointFile } from './training/checkpoint';
import { readMetrics } from './training/metrics-log';
import { recordsOf } from './training/read-events';

const STEPS = 160;
/** Checkpoints are written often, so that kills hit them. */
const EVERY = 5;
const KILLS = 20;

let folder: string;
let whole: Awaited<ReturnType<typeof readStage>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-kill-'));
  await useBackend('wasm');
  whole = await trainWhole(join(folder, 'whole'), STEPS, EVERY);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const project = (out: string) => writeLongProject(out, STEPS, EVERY);

async function expectWhole(out: string) {
  const stage = await readStage(out);
  expect(stage.rows).toEqual(whole.rows);
  expect(stage.checkpoint.equals(whole.checkpoint)).toBe(true);
  expect(stage.weights.equals(whole.weights)).toBe(true);
}

/** Every file is what it says. @returns steps of the checkpoint, never fewer than `before`. */
async function expectSound(stage: StageFolder, before = 0): Promise<number> {
  let step = before;
  for (const name of await readdir(stage.path).catch(() => [])) {
    const path = join(stage.path, name);
    if (name.endsWith('.safetensors')) {
      const { metadata, tensors } = await readCheckpointFile(path); // throws on half a file
      expect(tensors.size).toBeGreaterThan(0);
      if (path === stage.checkpoint) step = Number(metadata.step);
    }
    if (name.startsWith('events.')) recordsOf(await readFile(path));
  }
  expect(step).toBeGreaterThanOrEqual(before);
  return step;
}

test.skipIf(process.platform === 'win32')('SIGTERM saves and exits like Ctrl-C', async () => {
  const out = join(folder, 'terminated');
  const train = ['train', '--config', await project(out)];
  const first = spawnCli(train);
  await waitForRows(out, 3);
  first.child.kill('SIGTERM');
  expect((await first.ended).code).toBe(143); // 128 + 15
  expect((await spawnCli([...train, '--resume']).ended).code).toBe(0);
  await expectWhole(out);
});

/** A moment to kill a run at. */
type Moment = (stage: StageFolder) => Promise<void>;

const atRandom = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, Math.random() * milliseconds));

/** Anywhere from the start of the process on. */
const anytime: Moment = () => atRandom(4000);

/** While steps are taken: after the log has grown. */
const training: Moment = async ({ metrics }) => {
  const rows = (await readMetrics(metrics)).at(-1)?.step ?? -1;
  await waitUntil(async () => ((await readMetrics(metrics)).at(-1)?.step ?? -1) > rows);
  await atRandom(500);
};

/** While a checkpoint is written: its temporary file is there. */
const saving: Moment = async ({ path }) => {
  await mkdir(path, { recursive: true });
  await new Promise<void>((resolve) => {
    const watcher = watch(path, (_, name) => {
      if (!name?.startsWith('checkpoint.safetensors.')) return;
      watcher.close();
      resolve();
    });
  });
};

test('kill -9 at twenty random moments: every start goes on, no file is corrupt, the end is that of an uninterrupted run', async () => {
  const kills = { anytime: 0, training: 0, saving: 0 };
  const total = () => kills.anytime + kills.training + kills.saving;
  const moments = Object.entries({ saving, training, anytime }) as [keyof typeof kills, Moment][];
  let [runs, resumed] = [0, 0];
  // A machine that is done before it has been killed often enough begins once more.
  while (total() < KILLS) {
    const out = join(folder, `killed-${runs++}`);
    const train = ['train', '--config', await project(out)];
    const stage = new RunFolder(out).stage('teacher');
    let safe = 0;
    for (let done = false; !done; ) {
      const last = total() >= KILLS;
      const run: CliRun = spawnCli([...train, existsSync(stage.checkpoint) ? '--resume' : '--overwrite']);
      const [name, moment] = moments[total() % moments.length];
      if (!last) {
        await Promise.race([moment(stage), run.ended]);
        run.child.kill('SIGKILL');
      }
      const { code, stderr } = await run.ended;
      if (run.child.signalCode === 'SIGKILL') kills[name]++;
      else expect(code, stderr).toBe(0); // an error never
      if (/continuing train teacher after/.test(stderr)) resumed++;
      safe = await expectSound(stage, safe);
      done = code === 0;
    }
    await expectWhole(out);
    expect((await readdir(stage.path)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  }
  expect(Math.min(...Object.values(kills))).toBeGreaterThanOrEqual(Math.floor(KILLS / 3));
  expect(resumed).toBeGreaterThan(KILLS / 3);
});

/** A process that keeps a small file system of its own mounted on a folder, for those who enter its namespace. */
async function mountSmallDisk(disk: string, size: string) {
  const script = 'mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec sleep 600';
  const holder = spawn('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', script, disk, size], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let problem = '';
  holder.stderr.on('data', (chunk: Buffer) => {
    problem += chunk.toString();
  });
  const isMounted = await new Promise<boolean>((resolve) => {
    holder.stdout.once('data', () => resolve(true));
    holder.on('error', (error) => {
      problem = error.message;
      resolve(false);
    });
    holder.on('close', () => resolve(false));
  });
  if (!isMounted) return { problem: problem.trim() };
  return {
    /** The same path as others see it. */
    outside: (path: string) => `/proc/${holder.pid}/root${path}`,
    within: ['nsenter', '--target', String(holder.pid), '--user', '--mount', '--preserve-credentials'],
    close: () => holder.kill(),
  };
}

test.skipIf(process.platform !== 'linux')(
  'a disk that fills up while it trains costs nothing: the last checkpoint stays, and the run goes on when there is room',
  async (context) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    const mounted = await mountSmallDisk(disk, '3m');
    if ('problem' in mounted) return context.skip(`no file system may be mounted here: ${mounted.problem}`);
    const { outside, within, close } = mounted;
    try {
      const seen = outside(disk);
      await project(join(seen, 'out'));
      const train = ['train', '--config', join(disk, 'out', 'project.yaml')];
      const first = spawnCli(train, { within });
      const stage = new RunFolder(join(seen, 'out')).stage('teacher');
      await waitUntil(async () => existsSync(stage.checkpoint));
      const { bavail, bsize } = await statfs(seen);
      expect(bavail * bsize).toBeLessThan(3 * 2 ** 20); // it is the small one
      await writeFile(join(seen, 'ballast'), new Uint8Array(bavail * bsize)).catch((error: NodeJS.ErrnoException) => {
        expect(error.code).toBe('ENOSPC'); // the training wrote, too
      });
      const { code, stderr } = await first.ended;
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(/error cannot write .*: the disk is full; what was there before is intact/);
      expect(stderr).not.toMatch(/^ {4}at /m);
      expect(await expectSound(stage)).toBeGreaterThan(0);
      const still = await spawnCli([...train, '--resume'], { within }).ended; // before there is room
      expect(still.code).toBe(1);
      expect(still.stderr).toMatch(/error cannot write .*(the disk is full|needed, .* free on its disk)/);
      await expectSound(stage);
      await rm(join(seen, 'ballast'));
      const again = await spawnCli([...train, '--resume'], { within }).ended;
      expect(again.code, again.stderr).toBe(0);
      await expectWhole(join(seen, 'out'));
    } finally {
      close();
    }
  },
);

test('every command explains itself', async () => {
  const verbs = [
    'demo',
    'info',
    'train-autoencoder',
    'encode',
    'train',
    'distill',
    'sample',
    'evaluate',
    'export',
    'serve',
  ];
  const explained = await Promise.all(verbs.map((verb) => spawnCli([verb, '--help']).ended));
  for (const [i, { code, stdout, stderr }] of explained.entries()) {
    expect(stdout).toMatch(new RegExp(`^Usage: sd ${verbs[i]} `));
    expect(stdout).toContain('-h, --help');
    expect([code, stderr]).toEqual([0, '']);
  }
});
