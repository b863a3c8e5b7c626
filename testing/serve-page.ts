import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export type ServedPage = { readonly url: string; close(): Promise<void> };

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

/**
 * Builds a page that runs `entry` (the absolute path of a TypeScript module) with esbuild for browsers, workspace
 * names resolved as in tsconfig.json, and serves it on localhost.
 * @param folders Further folders by the path under which they are served, such as `{ '/wasm/': ... }`.
 */
export async function servePage(entry: string, folders: Readonly<Record<string, string>> = {}): Promise<ServedPage> {
  const out = await mkdtemp(join(tmpdir(), 'sd-page-'));
  await build({
    entryPoints: { main: entry },
    outdir: out,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
    tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)),
  });
  await writeFile(join(out, 'index.html'), '<!doctype html><script type="module" src="/main.js"></script>');

  const served = Object.entries({ ...folders, '/': out });
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname).replaceAll('\\', '/');
    const [prefix, folder] = served.find(([start]) => path.startsWith(start)) ?? ['/', out];
    const file = join(folder, path === '/' ? 'index.html' : path.slice(prefix.length));
    readFile(file).then(
      (bytes) =>
        response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(out, { recursive: true, force: true });
    },
  };
}
