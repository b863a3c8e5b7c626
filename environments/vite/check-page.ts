import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { type Outcome, outcomeOfProblems, skip } from '../../scripts/lib/tasks';
import { launchBrowser } from '../../testing/browser';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** Serves the built page on localhost and reads what it says in its title when it is done. */
export async function checkPage(folder: string): Promise<Outcome> {
  const { browser, reason } = await launchBrowser();
  if (browser === null) return skip(reason);
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const file = join(folder, path === '/' ? 'index.html' : path);
    const type = types[extname(file)] ?? 'application/octet-stream';
    readFile(file).then(
      (bytes) => response.writeHead(200, { 'content-type': type }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(`the page threw ${error.message}`));
    page.on('requestfailed', (request) => problems.push(`the page could not load ${request.url()}`));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(`document.title !== 'running'`, undefined, { timeout: 60_000 });
    const title = await page.title();
    if (title !== 'done: wasm 1,8,8,3') problems.push(`the page ended with "${title}"`);
    return outcomeOfProblems(problems);
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}
