import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { preview } from 'vite';

const run = promisify(execFile);

export type BuiltPage = {
  readonly url: string;
  /** Every file of the build, by its path, with its bytes as a host would send them. */
  readonly files: ReadonlyMap<string, { readonly bytes: number; readonly compressed: number }>;
  close(): Promise<void>;
};

/**
 * Builds the page and serves it as any static host would. `SD_PLAYGROUND_DIST` names a build that is there already, for
 * those who work on the tests.
 */
export async function builtPage(): Promise<BuiltPage> {
  const configFile = fileURLToPath(new URL('../../vite.config.ts', import.meta.url));
  const given = process.env.SD_PLAYGROUND_DIST;
  const outDir = given ?? (await mkdtemp(join(tmpdir(), 'sd-playground-')));
  // In a process of its own: in this one NODE_ENV is that of a test, and so would the page be.
  const vite = fileURLToPath(new URL('../../node_modules/vite/bin/vite.js', import.meta.url));
  const args = [vite, 'build', '--config', configFile, '--outDir', outDir, '--emptyOutDir', '--logLevel', 'error'];
  if (given === undefined) await run(process.execPath, args, { env: { ...process.env, NODE_ENV: 'production' } });
  const names = await readdir(outDir, { recursive: true, withFileTypes: true });
  const files = new Map<string, { bytes: number; compressed: number }>();
  for (const entry of names.filter((name) => name.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    const name = path.slice(outDir.length + 1).replaceAll('\\', '/');
    files.set(name, { bytes: bytes.length, compressed: gzipSync(bytes).length });
  }
  const server = await preview({
    configFile,
    build: { outDir },
    preview: { port: 0, host: '127.0.0.1' },
    logLevel: 'error',
  });
  return {
    url: server.resolvedUrls?.local[0] as string,
    files,
    async close() {
      await server.close();
      if (given === undefined) await rm(outDir, { recursive: true, force: true });
    },
  };
}
