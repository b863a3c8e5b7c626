import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser } from '../../../../testing/browser';
import { StageFolder } from '../config/run-folder';
import { encodePng } from '../data/image-file';
import { MetricsLog } from '../training/metrics-log';
import type { SnapshotFile } from '../training/snapshot';
import { UserError } from '../user-error';
import { readRun } from './run-data';
import { partGroups } from './run-page';
import { type ServedRun, serveRun } from './serve-run';

let root: string;
let served: ServedRun;
let log: MetricsLog;

const row = (step: number) => ({
  step,
  loss: 2 / (1 + step / 40) + 0.05 * Math.sin(step),
  learningRate: 1e-3 * (1 - step / 2000),
  gradientNorm: 0.5 + 0.1 * Math.cos(step / 7),
  seconds: step / 3,
  parts: { diffusion: 1 / (1 + step / 40), spatial: 0.4 / (1 + step / 90), frequency: 0.2 / (1 + step / 60) },
});

const spectrum = (slope: number) => ({
  frequency: Array.from({ length: 16 }, (_, i) => (i + 0.5) / 16),
  power: Array.from({ length: 16 }, (_, i) => (i + 1) ** -slope),
});

const curve = (module: string, direction: 'down' | 'up') => {
  const band = (at: number) => ({ mean: [at, at + 0.05, at + 0.1], deviation: [0.02, 0.02, 0.03] });
  const bands = { ll: band(0.6), lh: band(0.4), hl: band(0.35), hh: band(0.2) };
  return { module, direction, t: [0, 500, 999], bands };
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sd-serve-'));
  const stage = new StageFolder(join(root, 'out', 'sd'));
  log = await MetricsLog.open(stage.metrics, 0);
  await log.append(Array.from({ length: 120 }, (_, i) => row(10 * i)));
  const pixels = Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => (i * 7) % 256);
  await mkdir(stage.snapshots, { recursive: true });
  for (const step of [500, 1000]) {
    await writeFile(
      join(stage.snapshots, `step-${String(step).padStart(8, '0')}.png`),
      await encodePng(pixels, 96, 96),
    );
  }
  const snapshot: SnapshotFile = {
    step: 1000,
    spectra: { generated: spectrum(2.4), data: spectrum(2) },
    gates: [curve('input_blocks.2.0', 'down'), curve('output_blocks.1.2', 'up')],
  };
  await writeFile(stage.snapshot, JSON.stringify(snapshot));
  await writeFile(join(root, 'out', 'latents.safetensors'), '');
  await mkdir(join(root, 'empty'));
  served = await serveRun(join(root, 'out'), 0);
});
afterAll(async () => {
  await served.close();
  await rm(root, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  new Promise<{ status: number; body: string; type: string }>((resolve, reject) => {
    const url = new URL(served.url);
    const call = request({ host: url.hostname, port: url.port, path, method, headers: { host: url.host, ...headers } });
    call.on('error', reject);
    call.on('response', (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body, type: String(response.headers['content-type']) }),
      );
    });
    call.end();
  });

test('only what belongs to the run is served, to this machine alone', async () => {
  const page = await get('/');
  expect([page.status, page.type]).toEqual([200, 'text/html; charset=utf-8']);
  expect((await get('/grids/sd/step-00001000.png')).body.slice(1, 4)).toBe('PNG');
  for (const path of [
    '/grids/sd/step-00000007.png',
    '/grids/other/step-00001000.png',
    '/grids/../sd/step-00001000.png',
    '/grids/sd/..%2f..%2flatents.safetensors',
    '/latents.safetensors',
  ]) {
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  }
  expect((await get('/', { host: 'attacker.example' })).status).toBe(403); // a page elsewhere, by its own DNS
  expect((await get('/', {}, 'POST')).status).toBe(405);
});

test('a folder without a run, and a port that is taken, are errors that say what to do', async () => {
  const complaint = async (promise: Promise<unknown>) => {
    const error = await promise.catch((reason: Error) => reason);
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message.replaceAll(root, 'FOLDER').replace(/\d{4,5}/, 'PORT');
  };
  expect(await complaint(serveRun(join(root, 'none'), 0))).toMatchInlineSnapshot(
    `"serve: there is no folder FOLDER/none"`,
  );
  expect(await complaint(serveRun(join(root, 'empty'), 0))).toMatchInlineSnapshot(
    `"serve: nothing of a run in FOLDER/empty: give a project's out, or the folder of one of its models"`,
  );
  expect(await complaint(serveRun(join(root, 'out'), Number(new URL(served.url).port)))).toMatchInlineSnapshot(
    `"serve: port PORT cannot be had: another program has it; give another --port"`,
  );
});

test('a single model can be given, too', async () => {
  const run = await readRun(join(root, 'out', 'sd'));
  expect(run.stages.map(({ name, grids }) => [name, grids])).toEqual([
    ['sd', ['step-00001000.png', 'step-00000500.png']],
  ]);
});

test('the parts of a loss are in charts of lines that can be told apart', () => {
  const parts = [
    'diffusion',
    'spatial',
    'frequency',
    'spatial/output',
    'frequency/output',
    'spatial/up_1',
    'frequency/up_1',
  ];
  expect(partGroups(parts).map(({ title, parts: lines }) => [title, ...lines.map(([label]) => label)])).toEqual([
    ['Its parts', 'diffusion', 'spatial', 'frequency'],
    ['Its part spatial, by pair', 'output', 'up_1'],
    ['Its part frequency, by pair', 'output', 'up_1'],
  ]);
  expect(partGroups(['diffusion'])).toEqual([]); // the loss itself
});

test('a model whose weights are there is finished, until it is trained again', async () => {
  const stage = new StageFolder(join(root, 'finished', 'sd'));
  const own = await MetricsLog.open(stage.metrics, 0);
  await own.append([row(0)]);
  const isFinished = async () => (await readRun(join(root, 'finished'))).stages[0].isFinished;
  expect(await isFinished()).toBe(false);
  await writeFile(stage.weights, '');
  expect(await isFinished()).toBe(true);
  const later = new Date(Date.now() + 10_000);
  await utimes(stage.metrics, later, later);
  expect(await isFinished()).toBe(false);
});

const launched = await launchBrowser();

test.skipIf(launched.browser === null)(
  'in a browser: curves, grids, spectra, gates; it follows the run and asks nobody else',
  async () => {
    const browser = launched.browser as NonNullable<typeof launched.browser>;
    try {
      const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
      const asked: string[] = [];
      const troubles: string[] = [];
      page.on('request', (one) => asked.push(new URL(one.url()).origin));
      page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()));
      page.on('pageerror', (error) => troubles.push(String(error)));
      await page.clock.install();
      await page.goto(served.url);
      expect(await page.locator('main svg').count()).toBeGreaterThanOrEqual(8); // four curves, two spectra, two gates
      expect(await page.locator('h3').allTextContents()).toEqual(
        expect.arrayContaining([
          'Loss',
          'Its parts',
          'Samples of the same noise',
          'Spectra',
          'Gates over the diffusion time',
        ]),
      );
      const sizes = await page
        .locator('.grids img')
        .evaluateAll((images) => images.map((image) => (image as HTMLImageElement).naturalWidth));
      expect(sizes).toEqual([96, 96]);
      expect(await page.locator('.facts').textContent()).toContain('1,191');
      await log.append([row(1200)]);
      await page.clock.fastForward(6_000);
      await page.waitForFunction(() => document.querySelector('.facts')?.textContent?.includes('1,201'));
      expect(new Set(asked)).toEqual(new Set([new URL(served.url).origin]));
      expect(troubles).toEqual([]);
      if (process.env.SD_SCREENSHOT) await page.screenshot({ path: process.env.SD_SCREENSHOT, fullPage: true });
    } finally {
      await browser.close();
    }
  },
  60_000,
);
