import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Launched, launchBrowser } from '../../../../testing/browser';
import { type ServedPage, servePage } from '../../../../testing/serve-page';
import { wasmFolder } from '../node/wasm-folder';

const launched: Launched = await launchBrowser();
const title = launched.browser ? 'in headless Chromium' : `skipped: ${launched.reason}`;

describe.skipIf(launched.browser === null)(title, { timeout: 30_000 }, () => {
  let served: ServedPage;

  beforeAll(async () => {
    const entry = fileURLToPath(new URL('page.ts', import.meta.url));
    served = await servePage(entry, { '/wasm/': (await wasmFolder()) ?? '' });
  });

  afterAll(async () => {
    await launched.browser?.close();
    await served?.close();
  });

  let tab: Page | undefined;
  afterEach(() => tab?.close());

  const product = [19, 22, 43, 50];

  async function open({ webgpu }: { webgpu: boolean }) {
    tab = await launched.browser!.newPage();
    if (!webgpu) await tab.addInitScript('Object.defineProperty(navigator, "gpu", { value: undefined })');
    await tab.goto(served.url);
    await tab.waitForFunction(() => 'sdTryBackend' in globalThis, null, { polling: 50 });
    return tab;
  }

  test('auto passes over a software WebGPU adapter and takes WASM', async () => {
    const page = await open({ webgpu: true });
    const tried = await page.evaluate(() => globalThis.sdTryBackend('auto', { wasmPaths: '/wasm/' }));
    expect(tried).toMatchObject({ name: 'wasm', canTrain: true, product });
    expect(tried.explanation).toMatch(
      /^wasm \(1 thread, SIMD\): passed over webgpu \((only a software adapter found \(google swiftshader.*\)|no GPU adapter found)\)$/,
    );
  });

  test('auto takes WebGPU first where a software adapter is allowed', async (context) => {
    const page = await open({ webgpu: true });
    const tried = await page.evaluate(() =>
      globalThis.sdTryBackend('auto', { allowSoftware: true, wasmPaths: '/wasm/' }),
    );
    if (tried.name === 'wasm') context.skip(tried.explanation);
    expect(tried).toMatchObject({ name: 'webgpu', canTrain: true, product });
    expect(tried.explanation).toMatch(/^webgpu \(google swiftshader.*\): the first choice$/);
  });

  test('a browser without WebGPU says so', async () => {
    const page = await open({ webgpu: false });
    const tried = await page.evaluate(() => globalThis.sdTryBackend('auto', { wasmPaths: '/wasm/' }));
    expect(tried.explanation).toBe('wasm (1 thread, SIMD): passed over webgpu (this browser has no WebGPU)');
    expect(tried.product).toEqual(product);
  });

  test('WASM files that are not served are named in the error', async () => {
    const page = await open({ webgpu: false });
    const message = await page.evaluate(() =>
      globalThis.sdTryBackend('wasm', { wasmPaths: '/nowhere/' }).catch(String),
    );
    expect(message).toBe(
      'BackendError: useBackend: wasm cannot start: its .wasm file could not be loaded; ' +
        'serve the .wasm files of @tensorflow/tfjs-backend-wasm/dist and pass { wasmPaths }',
    );
  });
});
