import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Plugin, transformWithEsbuild } from 'vite';

const SOURCE = fileURLToPath(new URL('service-worker.ts', import.meta.url));

/** Adds `service-worker.js`, which keeps every file of the build. */
export function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    async generateBundle(_, bundle) {
      const files = ['./', ...Object.keys(bundle).filter((file) => file !== 'index.html' && !file.endsWith('.map'))];
      const version = createHash('sha256').update(files.join('\n'));
      const page = bundle['index.html'];
      if (page?.type === 'asset') version.update(page.source);
      const { code } = await transformWithEsbuild(readFileSync(SOURCE, 'utf8'), SOURCE, {
        define: { FILES: JSON.stringify(files), VERSION: JSON.stringify(version.digest('hex').slice(0, 16)) },
        format: 'iife', // a classic script, without the `export {}` that makes it a module to TypeScript
        target: 'es2022',
        minify: true,
      });
      this.emitFile({ type: 'asset', fileName: 'service-worker.js', source: code });
    },
  };
}
