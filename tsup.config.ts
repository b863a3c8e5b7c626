import { readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';

type Manifest = { exports: Record<string, string | { default: string }> };

/**
 * One build for every package: the entries are read from the package's own `exports`
 * (`./dist/optim/index.js` is built from `src/optim/index.ts`), so that the two cannot disagree.
 */
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const entry = Object.fromEntries(
  Object.values(manifest.exports)
    .flatMap((target) => (typeof target === 'string' ? [] : [target.default]))
    .map((file) => file.replace(/^\.\/dist\//, '').replace(/\.js$/, ''))
    .map((name) => [name, `src/${name}.ts`]),
);

export default defineConfig({
  entry,
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  external: [/^@tensorflow\//, /^@sd\//, 'webgpu', /^node:/],
  tsconfig: '../../tsconfig.build.json',
  dts: { compilerOptions: { noEmit: false } },
  sourcemap: true,
  clean: true,
  splitting: true,
});
