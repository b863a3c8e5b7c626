import { useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { expectTensors } from '@sd/testing';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '../../../../testing/browser';
import { loadDiffusionModel, loadFirstStage } from '../../../trainer/src/files/weights-file';
import { sampleImages } from '../../../trainer/src/sampling/sample-images';
import { samplerScheduler } from '../../../trainer/src/sampling/samplers';
import { settingsOfPng } from '../worker/png';
import { sheetOf } from '../worker/sheet';
import { type BuiltPage, builtPage } from './built-page';
import { testOwnModels } from './own-models';
import { appFile, DONE, longTasks, pixelsOf, savedPng, type Visit, visit } from './visit';

const launched = await launchBrowser();
const title = launched.browser ? 'the built page in Chromium' : `skipped: ${launched.reason}`;

/** A wait ran out once in some dozen runs, on a machine that had much other work; why is not known. */
const ONCE_MORE = { retry: 1 };

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

    expect(settingsOfPng(await savedPng(page))).toMatchObject({ model: 'sd', seed: 8, steps: 10, batch: 4 });

    const link = await page.evaluate(() => location.search + location.hash);
    const again = await visited(link);
    await again.page.waitForSelector(DONE);
    expect(await pixelsOf(again.page, 'canvas.sheet')).toEqual(after);
  });

  test('scrubbing shows the steps, and sampling leaves the main thread free', async () => {
    const { page } = open!;
    await longTasks(page);
    await page.getByRole('button', { name: 'Sample', exact: true }).click();
    // what is being typed meanwhile stays, though every step draws the panel anew
    await page.getByLabel('Images at once').pressSequentially('2');
    await page.waitForSelector(DONE);
    expect(await page.getByLabel('Images at once').inputValue()).toMatch(/^(42|24)$/);
    await page.getByLabel('Images at once').fill('4');
    console.log('long tasks of the main thread while sampling, ms:', await longTasks(page));
    const last = await pixelsOf(page, 'canvas.sheet');
    await page.getByLabel('Step', { exact: true }).fill('2');
    expect(await pixelsOf(page, 'canvas.sheet')).not.toEqual(last);
    expect(await page.getByText('after step 2 of 10').count()).toBe(1);
  });

  test('opens again without a network', async () => {
    const { page } = open!;
    await page.context().setOffline(false);
    await page.getByText('kept for offline use').waitFor();
    await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');
    await page.context().setOffline(true);
    await page.reload();
    await page.waitForSelector(`${DONE}, [role=alert]`);
    expect(await page.locator('[role=alert]').allTextContents()).toEqual([]);
    await page.context().setOffline(false);
  });

  test('a worker whose script does not load is told of', async () => {
    const { page } = await visited('icon.svg', { serviceWorkers: 'block' });
    await page.route(/worker[^/]*\.js$/, (route) => route.fulfill({ status: 404 }));
    await page.goto(`${built.url}?backend=wasm`);
    expect(await page.getByRole('alert').textContent()).toMatch(/The worker that runs the models failed/);
  });

  test('Compare: three models from the same noise', async () => {
    const { page } = await visited('?backend=wasm#compare?seed=3&steps=5&batch=4');
    await page.waitForSelector('table');
    expect(await page.locator('tbody th').allTextContents()).toEqual(['Teacher', 'Lite', 'SD']);
    // pictures and DFTs of three, differences of two
    const sheets = await Promise.all([...Array(8).keys()].map((n) => pixelsOf(page, `canvas.sheet >> nth=${n}`)));
    expect(new Set(sheets.map(String)).size).toBe(8);
    expect(sheets[2]).toEqual(await pixelsOnNode(3, 5, 4));
  });

  test('Gates: four bands of each module at every step', async () => {
    const { page } = await visited('?backend=wasm#gates?samples=8&steps=6');
    await page.waitForSelector('section:not([hidden]) .primary:enabled');
    await page.waitForFunction(() => document.querySelectorAll('.chart path[stroke]').length === 8);
    await page.waitForFunction(() => document.querySelector('progress') === null);
    const lines = await page
      .locator('.chart path[stroke]')
      .evaluateAll((paths) => paths.map((path) => path.getAttribute('d')));
    expect(lines.map((line) => line?.split(/[ML]/).length)).toEqual(Array(8).fill(7)); // before the first M is nothing
    expect(await page.getByText('WG-Down').count()).toBe(1);
    expect(await page.getByText('WG-Up').count()).toBe(1);
  });

  test('Wiener: the filter opens as the noise falls', async () => {
    const { page } = await visited('?backend=wasm#wiener?t=900&exponent=2');
    const half = async () => Number((await page.locator('.controls b').textContent())?.replace('f = ', ''));
    await page.waitForSelector('.controls b');
    const noisy = await half();
    await page.getByLabel('Timestep t').fill('100');
    await page.waitForFunction(
      (before) => document.querySelector('.controls b')?.textContent !== before,
      `f = ${noisy}`,
    );
    expect(await half()).toBeGreaterThan(5 * noisy);
    expect(await page.evaluate(() => location.hash)).toBe('#wiener?t=100&exponent=2');
    // what was set outlives a look at another panel
    for (const panel of ['Toy', 'Wiener']) await page.getByRole('link', { name: panel }).click();
    expect(await page.getByLabel('Timestep t').inputValue()).toBe('100');
    expect(await page.evaluate(() => location.hash)).toBe('#wiener?t=100&exponent=2');
  });

  test('Wavelets: bands go off and come back, on a photograph too', async () => {
    const { page } = await visited('?backend=wasm#wavelets');
    const psnr = async () => {
      await page.waitForFunction(() => document.querySelector('progress') === null);
      return page.getByText(/^ ?PSNR/).textContent();
    };
    await page.getByText(/PSNR/).waitFor();
    expect(Number.parseFloat((await psnr())!.replace(/[^\d]*/, ''))).toBeGreaterThan(100);
    await page
      .getByRole('button', { name: 'HH, diagonal detail, level 1' })
      .or(page.getByLabel('HH1, diagonal detail, level 1'))
      .click();
    await page.waitForFunction(() => location.hash.includes('off=1hh'));
    await page.waitForFunction(() => !/1\d\d\.\d dB/.test(document.querySelector('main')!.textContent!));
    expect(Number.parseFloat((await psnr())!.replace(/[^\d]*/, ''))).toBeLessThan(60);

    const data = Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 256);
    const photograph = encode({ width: 90, height: 60, data, channels: 3 });
    const before = String(await pixelsOf(page, 'canvas.sheet >> nth=1'));
    await page
      .getByLabel(/Photograph/)
      .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from(photograph) });
    await page.getByText('Back to the generated picture').waitFor();
    await page.getByLabel('Family').selectOption('sym');
    await page.waitForFunction(() => location.hash.includes('wavelet=sym2'));
    await psnr();
    expect(String(await pixelsOf(page, 'canvas.sheet >> nth=1'))).not.toBe(before);

    await page
      .getByLabel(/Photograph/)
      .setInputFiles({ name: 'bad.png', mimeType: 'image/png', buffer: Buffer.from('no') });
    await page.getByText('bad.png is no picture that this browser can read').waitFor();
    await page.getByText('Back to the generated picture').click();
    await psnr();
  });

  test('Toy: both networks train, and their samples are counted', async () => {
    const { page } = await visited('?backend=wasm#toy?steps=30');
    await page.getByRole('button', { name: 'Train both' }).click();
    await page.waitForSelector('[data-step="30"]');
    expect(await page.getByText('M = 64').count()).toBe(1);
    expect(await page.getByText('M = 1024').count()).toBe(1);
  });

  test('First stage: a picture there and back', async () => {
    const { page } = await visited('?backend=wasm#first-stage?size=64');
    await page.waitForSelector(DONE);
    const psnr = Number.parseFloat((await page.getByText(/PSNR/).textContent())!.replace(/[^\d]*/, ''));
    expect(psnr).toBeGreaterThan(20);
    expect(await page.locator(DONE).textContent()).toContain('16 × 16 × 4');
  });

  test('all that takes long says how far it is and how long it takes, and can be cancelled', async () => {
    const { page } = await visited('?backend=wasm#first-stage?size=512');
    const long = ['sample?steps=900', 'compare?steps=900', 'gates?steps=900', 'toy?steps=20000'];
    for (const [i, link] of ['', ...long].entries()) {
      if (i > 0) await page.evaluate((hash) => location.assign(`#${hash}`), link);
      const panel = page.locator('section:not([hidden])');
      if (link.startsWith('toy')) await panel.getByRole('button', { name: 'Train both' }).click();
      await panel.getByText(/^\d+ of \d+ (tiles|steps) · .* left$/).waitFor();
      await panel.getByRole('button', { name: 'Cancel' }).click();
      await panel.locator('progress').waitFor({ state: 'detached', timeout: 20_000 });
      expect(await panel.locator('[role=alert]').count(), link).toBe(0);
      expect(await panel.locator(`table, ${DONE}`).count(), link).toBe(0);
    }
  });

  testOwnModels(visited);

  test('WebGPU draws the same, and a lost device is replaced', async (context) => {
    const settings = '#sample?model=sd&seed=7&steps=2&batch=1';
    const { page, complaints } = await visited(`?backend=webgpu&software=1&debug=1${settings}`);
    page.setDefaultTimeout(420_000); // SwiftShader takes minutes where other work runs
    await page.waitForSelector(`${DONE}, [role=alert]`);
    const problem = await page.locator('[role=alert]').allTextContents();
    if (problem.some((text) => text.includes('webgpu cannot start'))) return context.skip(problem.join());
    expect(problem).toEqual([]);
    expect(await page.locator('.backend').textContent()).toMatch(/^webgpu \(/);
    const expected = await pixelsOnNode(7, 2, 1);
    const far = (pixels: readonly number[]) => Math.max(...pixels.map((value, i) => Math.abs(value - expected[i])));
    // Other kernels sum in another order: two levels in 255.
    expect(far(await pixelsOf(page, 'canvas.sheet'))).toBeLessThanOrEqual(2);

    await page.evaluate(() =>
      (globalThis as unknown as { sdClient: { loseDevice(): Promise<void> } }).sdClient.loseDevice(),
    );
    await page.getByText(/The graphics device was lost/).waitFor();
    await page.getByRole('button', { name: 'Sample', exact: true }).click();
    await page.waitForFunction(() => document.querySelector('.facts') === null);
    await page.waitForSelector(DONE);
    expect(far(await pixelsOf(page, 'canvas.sheet'))).toBeLessThanOrEqual(2);
    expect(complaints.filter((text) => !/lost|destroyed/i.test(text))).toEqual([]);
  });

  test('without WebGPU the page falls back to WebAssembly, and says so', async () => {
    const { page } = await visited('#wiener');
    await page.getByText(/^wasm \(.*\): passed over webgpu \(/).waitFor();
  });

  test('the keyboard reaches the panel and its controls', async () => {
    const { page } = await visited('?backend=wasm#wiener');
    await page.waitForSelector('.chart');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('MAIN');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => location.hash.includes('t=401'));
  });

  test.each(['light', 'dark'] as const)(
    'every panel, %s, on a phone and on a desktop: axe finds nothing serious, nothing is cut off; pictures are kept',
    ONCE_MORE,
    async (colorScheme) => {
      const { page, screenshot, complaints } = await visited('?backend=wasm#sample?steps=10&seed=8', { colorScheme });
      const devices = { phone: { width: 390, height: 844 }, desktop: { width: 1200, height: 900 } };
      for (const { link, ready } of PANELS) {
        await page.evaluate((hash) => location.assign(`#${hash}`), link);
        const panel = page.locator('section:not([hidden])');
        if (link.startsWith('toy')) await panel.getByRole('button', { name: 'Train both' }).click();
        await panel.locator(ready).first().waitFor();
        await panel.locator('progress').waitFor({ state: 'detached' });
        if (link.startsWith('sample')) await panel.getByLabel('Step', { exact: true }).fill('5');
        await page.evaluate(() => (document.activeElement as HTMLElement).blur()); // a ring around it is for the keyboard
        for (const [device, viewport] of Object.entries(devices)) {
          await page.setViewportSize(viewport);
          expect(await seriousFindings(page), `${link}, ${device}`).toEqual([]);
          expect(await page.evaluate(() => document.documentElement.scrollWidth), link).toBeLessThanOrEqual(
            viewport.width,
          );
          await screenshot(`${link.split('?')[0]}-${device}-${colorScheme}`);
        }
      }
      expect(complaints).toEqual([]);
    },
  );
});

/** Links to all panels, and what shows that they have done their job. */
const PANELS = [
  { link: 'sample?steps=10&seed=8', ready: DONE },
  { link: 'compare?steps=10&batch=9&seed=3', ready: 'table' },
  { link: 'gates?steps=10&samples=8', ready: '.chart' },
  { link: 'wiener', ready: '.chart path' },
  { link: 'wavelets', ready: 'canvas' },
  { link: 'toy?steps=300', ready: '[data-step="300"]' },
  { link: 'first-stage', ready: DONE },
];

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
  const { unet, metadata } = await loadDiffusionModel(appFile('playground/models/sd.safetensors'));
  const autoencoder = await loadFirstStage(appFile('trainer/pretrained/first-stage.safetensors'));
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
