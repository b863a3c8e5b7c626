import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Package } from '../lib/workspace';

/** What every published package.json must hold. @returns the problems found. */
export function manifestProblems({ id, group, manifest }: Package): readonly string[] {
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string) => {
    if (!holds) problems.push(`${group}/${id}/package.json: ${problem}`);
  };
  expect(manifest.license === 'Apache-2.0', 'license must be Apache-2.0');
  expect(manifest.type === 'module', 'type must be module');
  expect((manifest.description ?? '').length > 0, 'description is missing');
  expect(manifest.engines?.node === '>=20', 'engines.node must be >=20');
  expect(manifest.repository?.directory === `${group}/${id}`, `repository.directory must be ${group}/${id}`);
  expect(manifest.publishConfig?.access === 'public', 'publishConfig.access must be public');
  expect(manifest.publishConfig?.provenance === true, 'publishConfig.provenance must be true');
  expect(manifest.sideEffects === false, 'sideEffects must be false');
  expect(manifest.exports?.['./package.json'] === './package.json', 'exports must hold ./package.json');

  for (const [path, target] of Object.entries(manifest.exports ?? {})) {
    if (path === './package.json') continue;
    const name = `exports["${path}"]`;
    if (path.includes('*')) expect(false, `${name}: no patterns, every entry is named`);
    if (typeof target === 'string') {
      expect(false, `${name} must name types and default`);
      continue;
    }
    expect(Object.keys(target).join() === 'types,default', `${name} must be { types, default }, in this order`);
    expect(/^\.\/dist\/.*\.d\.ts$/.test(target.types ?? ''), `${name}.types must be a .d.ts file of dist`);
    expect(target.types?.replace(/\.d\.ts$/, '.js') === target.default, `${name}: types and default must go together`);
  }

  for (const [name, version] of Object.entries(manifest.dependencies ?? {})) {
    const wanted = name.startsWith('@sd/') ? 'workspace:^' : 'catalog:';
    expect(version === wanted, `dependencies["${name}"] must be ${wanted}, got ${version}`);
    if (group === 'packages') {
      expect(!name.startsWith('@tensorflow/'), `${name} must be a peer, else two copies of tfjs-core can be installed`);
    }
  }
  for (const name of Object.keys(manifest.peerDependencies ?? {})) {
    expect(!name.startsWith('@sd/'), `${name} must be a dependency: an internal peer makes majors of minors`);
  }
  return problems;
}

/** Imports of a package's sources that its package.json does not declare. */
export async function undeclaredImports({ id, group, folder, manifest }: Package): Promise<readonly string[]> {
  const entryPoints = Object.values(manifest.exports ?? {})
    .flatMap((target) => (typeof target === 'string' ? [] : [target.default ?? '']))
    .concat(Object.values(manifest.bin ?? {}))
    .map((file) => join(folder, file.replace('./dist/', 'src/').replace(/\.js$/, '.ts')));
  const { metafile } = await build({
    entryPoints,
    outdir: 'unused',
    bundle: true,
    write: false,
    metafile: true,
    packages: 'external',
    format: 'esm',
    platform: 'neutral',
    logLevel: 'silent',
    // Without this file's paths: workspace names stay what a user of the package sees.
    tsconfigRaw: { compilerOptions: { jsx: 'react-jsx', jsxImportSource: 'preact' } },
  });
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports);
  const names = new Set(
    imported.filter(({ external }) => external).map(({ path }) => /^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path),
  );
  return [...names]
    .filter((name) => !isBuiltin(name) && !(name in declared))
    .map((name) => `${group}/${id} imports ${name}, which its package.json does not declare`);
}

/** A package whose exported names no test pins. */
export function unpinnedExports({ id, group, folder, manifest }: Package): readonly string[] {
  if (group === 'apps') return [];
  const tests = readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /(^|[/\\])exports\.test\.ts$/.test(file))
    .map((file) => ({ file, text: readFileSync(join(folder, 'src', file), 'utf8') }))
    .filter(({ text }) => text.includes('toMatchInlineSnapshot(`') || text.includes('toEqual(['));
  const problems: string[] = [];
  for (const [path, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === 'string') continue;
    const module = (target.default ?? '').replace('./dist/', '').replace(/\.js$/, '');
    const pinned = tests.some(({ file, text }) => {
      const inside = file.replaceAll('\\', '/').replace(/exports\.test\.ts$/, '');
      return module.startsWith(inside) && text.includes(`'./${module.slice(inside.length)}'`);
    });
    if (!pinned) problems.push(`${group}/${id}: no exports.test.ts pins the names of "${path}" (src/${module}.ts)`);
  }
  if (!existsSync(join(folder, 'README.md'))) problems.push(`${group}/${id}: README.md is missing`);
  return problems;
}
