import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { alias } from '../../vitest.shared';
import { contentSecurityPolicy } from './build/content-security-policy';
import { serviceWorker } from './build/service-worker-plugin';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './', // any folder of any host
  resolve: { alias, dedupe: ['@tensorflow/tfjs-core'] },
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    assetsInlineLimit: 0,
  },
  worker: { format: 'es' },
  plugins: [contentSecurityPolicy(), serviceWorker()],
});
