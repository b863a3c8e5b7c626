import { fileURLToPath } from 'node:url';
import { useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { expectTensors } from '@sd/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '../../../../testing/browser';
import { loadDiffusionModel, loadFirstStage } from '../../../trainer/src/files/weights-file';
import { sampleImages } from '../../../trainer/src/sampling/sample-images';
import { samplerScheduler } from '../../../trainer/src/sampling/samplers';
import { settingsOfPng } from '../worker/png';
import { sheetOf } from '../worker/sheet';
import { type BuiltPage, builtPage } from './built-page';
import { longTasks, pixelsOf, type Visit, visit } from './visit';

const launched = await launchBrowser();
const title = launched.browser ? 'the built page in Chromium' : `skipped: ${launched.reason}`;
const DONE = '.facts';

describe.skipIf(launched.browser === null)(title, () => {
  let built: BuiltPage;
  let open: Visit | undefined;

  beforeAll(async () => {
    built = await builtPage();
  });

  afterAll(async () => {
    await open?.close();
    await launched.browser?.close();
    await built?.close();
  });

  async function visited(path: string, options?: Parameters<typeof visit>[3]): Promise<Visit> {
    await open?.close();
    open = await visit(launched.browser!, built.url, path, options);
    return open;
  }

  test('all that is not a model has at most 1.5 MB compressed, the models together at most 4 MiB', () => {
    const sum = (of: 'bytes' | 'compressed', isModel: boolean) =>
      [...built.files]
        .filter(([name]) => name.endsWith('.safetensors') === isModel)
        .reduce((total, [, sizes]) => total + sizes[of], 0);
    expect(sum('compressed', false)).toBeLessThanOrEqual(1.5e6);
    expect(sum('bytes', true)).toBeLessThanOrEqual(4 * 2 ** 20);
  });

  test("pixels are those of Node's WASM for the same seed, and nothing comes from elsewhere", async () => {
    const began = performance.now();
    const { page, external, complaints, loaded } = await visited(
      '?backend=wasm#sample?model=sd&seed=7&steps=10&batch=4',
    );
    await page.waitForSelector(DONE);
    console.log(`first images after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const compressed = [...new Set(loaded)].map((name) => built.files.get(name || 'index.html'));
    const bytes = compressed.reduce((sum, file) => sum + (file?.compressed ?? 0), 0);
    console.log(`loaded ${(bytes / 1e6).toFixed(2)} MB compressed until then, models included`);

    const pixels = await pixelsOf(page, 'canvas.sheet');
    const expected = await pixelsOnNode(7, 10, 4);
    expect(pixels.length).toBe(expected.length);
    const differences = pixels.map((value, i) => Math.abs(value - expected[i]));
    // One level in 255: the same kernels and draws; Math.exp and its kin may differ in the last bit between V8s.
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    expect(new Set(pixels).size).toBeGreaterThan(100);
    expect(external).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('a link makes the same images, and a PNG holds its settings', async () => {
    const { page } = open!;
    const before = await pixelsOf(page, 'canvas.sheet');
    await page.getByLabel('Seed', { exact: true }).fill('8');
    await page.getByLabel('Seed', { exact: true }).press('Enter');
    await page.waitForFunction(() => location.hash.includes('seed=8'));
    await page.waitForSelector('.scrubber button:enabled');
    await page.waitForSelector(DONE);
    const after = await pixelsOf(page, 'canvas.sheet');
    expect(after).not.toEqual(before);

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save PNG' }).click(),
    ]);
    const stream = await download.createReadStream();
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(settingsOfPng(Buffer.concat(chunks))).toMatchObject({ model: 'sd', seed: 8, steps: 10, batch: 4 });

    const link = await page.evaluate(() => location.search + location.hash);
    const again = await visited(link);
    await again.page.waitForSelector(DONE);
    expect(await pixelsOf(again.page, 'canvas.sheet')).toEqual(after);
  });

  test('scrubbing shows the steps, and sampling leaves the main thread free', async () => {
    const { page, screenshot } = open!;
    await longTasks(page);
    await page.getByRole('button', { name: 'Sample', exact: true }).click();
    await page.waitForSelector(DONE);
    console.log('long tasks of the main thread while sampling, ms:', await longTasks(page));
    const last = await pixelsOf(page, 'canvas.sheet');
    await page.getByLabel('Step', { exact: true }).fill('2');
    expect(await pixelsOf(page, 'canvas.sheet')).not.toEqual(last);
    expect(await page.getByText('after step 2 of 10').count()).toBe(1);
    await screenshot('sample');
  });

  test('opens again without a network', async () => {
    const { page } = open!;
    await page.waitForSelector('text=kept for offline use');
    await page.context().setOffline(true);
    await page.reload();
    await page.waitForSelector(DONE);
    await page.context().setOffline(false);
  });

  test.each(['light', 'dark'] as const)('axe finds nothing serious, %s, on a phone', async (colorScheme) => {
    const { page, screenshot } = await visited('?backend=wasm#sample', {
      colorScheme,
      viewport: { width: 390, height: 844 },
    });
    await page.waitForSelector(DONE);
    await screenshot(`sample-phone-${colorScheme}`);
    expect(await seriousFindings(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  });
});

async function seriousFindings(page: Visit['page']): Promise<string[]> {
  // Not by a script tag, which the page's policy refuses.
  const { default: axe } = (await import('axe-core')) as unknown as { default: { source: string } };
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe: found } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    type Violation = { id: string; impact: string; nodes: { html: string }[] };
    const { violations } = await found.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}

/** What `sd sample --model sd --seed` draws on Node, in the page's grid. */
async function pixelsOnNode(seed: number, steps: number, count: number): Promise<number[]> {
  await useBackend('wasm');
  const path = (file: string) => fileURLToPath(new URL(`../../../${file}`, import.meta.url));
  const { unet, metadata } = await loadDiffusionModel(path('playground/models/sd.safetensors'));
  const autoencoder = await loadFirstStage(path('trainer/pretrained/first-stage.safetensors'));
  const scheduler = samplerScheduler(metadata.scheduler, { sampler: 'ddim' });
  const images = await expectTensors(1, () =>
    sampleImages(
      { unet, scheduler, autoencoder, scaleFactor: metadata.scaleFactor },
      { count, steps, eta: 0, key: randomKey(seed), openProgress: () => ({ update: () => {}, stop: () => {} }) },
    ),
  );
  const sheet = await sheetOf(images);
  images.dispose();
  unet.dispose();
  autoencoder.dispose();
  return Array.from(sheet.pixels);
}
