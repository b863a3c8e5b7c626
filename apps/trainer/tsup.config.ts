import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { cli: 'src/cli.ts', 'decode-worker': 'src/data/pictures/decode-worker.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  external: [/^@tensorflow\//, /^@sd\//, 'webgpu', 'sharp'],
  tsconfig: '../../tsconfig.base.json',
  sourcemap: true,
  clean: true,
  splitting: true,
});
