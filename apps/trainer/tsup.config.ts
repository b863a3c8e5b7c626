import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { cli: 'src/cli.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  external: [/^@tensorflow\//, /^@sd\//, 'webgpu', 'sharp'],
  tsconfig: '../../tsconfig.base.json',
  sourcemap: true,
  clean: true,
  splitting: true,
});
