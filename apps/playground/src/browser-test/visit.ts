import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

/** Kept by CI as artefacts; git ignores it. */
const SCREENSHOTS = fileURLToPath(new URL('../../../../out/playground', import.meta.url));

/** What is there when the images of Sample, or the numbers of First stage, are. */
export const DONE = '.facts';

/** SwiftShader on a busy machine is slow. */
const PATIENCE_MS = 180_000;

export type Visit = {
  readonly page: Page;
  /** Addresses that the page asked for on other hosts than its own. */
  readonly external: readonly string[];
  /** Errors of the page and what it refused by its policy. */
  readonly complaints: readonly string[];
  /** Names of the files that it has loaded, in the order of the first requests. */
  readonly loaded: readonly string[];
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
};

/** Opens a page in a context of its own: nothing kept, nothing cached. @param path search and hash of the address. */
export async function visit(
  browser: Browser,
  url: string,
  path: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const external: string[] = [];
  const complaints: string[] = [];
  const loaded: string[] = [];
  context.on('request', (request) => {
    const address = request.url();
    // The service worker's own requests are for later.
    if (address.startsWith(url) && request.serviceWorker() === null)
      loaded.push(address.slice(url.length).split(/[?#]/)[0]);
    if (!address.startsWith(url) && !/^(data|blob):/.test(address)) external.push(address);
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.addInitScript(() => {
    const durations: number[] = [];
    Object.assign(globalThis, { sdLongTasks: durations });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) durations.push(duration);
    }).observe({ type: 'longtask', buffered: true });
  });
  await page.goto(url + path);
  return {
    page,
    external,
    complaints,
    loaded,
    async screenshot(name) {
      mkdirSync(SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
    },
    close: () => context.close(),
  };
}

/** Durations in ms of the main thread's tasks of 50 ms and more, since it was last asked. */
export function longTasks(page: Page): Promise<number[]> {
  return page.evaluate(() => (globalThis as unknown as { sdLongTasks: number[] }).sdLongTasks.splice(0));
}

/** RGBA of the n-th canvas of a page. */
export function pixelsOf(page: Page, selector: string): Promise<number[]> {
  return page
    .locator(selector)
    .first()
    .evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return Array.from(data);
    });
}

/** Drops a file or a folder of this machine on the middle of the page. */
export async function dropPath(page: Page, path: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await session.send('Input.dispatchDragEvent', { type, x: 400, y: 300, data });
  }
  await session.detach();
}

/** The file that Save PNG saves. */
export async function savedPng(page: Page): Promise<Buffer> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save PNG' }).click(),
  ]);
  const chunks: Buffer[] = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Path of a file of the apps. */
export function appFile(file: string): string {
  return fileURLToPath(new URL(`../../../${file}`, import.meta.url));
}
