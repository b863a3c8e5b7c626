/**
 * Packed packages in fresh projects outside this repository, as a user has them:
 * - alone: each package with nothing but what it declares (pnpm's isolated node_modules), and one program that uses it;
 * - node, tsc, vite: all of them in one project that npm installs.
 *
 * Part of `pnpm check`; by itself, after `pnpm build`: `tsx environments/run.ts [--without trainer]`.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pack, tarballOf } from '../scripts/lib/pack';
import { type Finished, run, runPnpm } from '../scripts/lib/run';
import { type Outcome, outcomeOf, outcomeOfProblems, runTasks, summaryLine, type Task } from '../scripts/lib/tasks';
import { catalogVersion, type Package, publishedPackages } from '../scripts/lib/workspace';
import { checkPage } from './vite/check-page';

const here = fileURLToPath(new URL('.', import.meta.url));

function versions(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, catalogVersion(name)]));
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** A pnpm workspace of one project per package; every project sees only what its package.json names. */
function writeAlone(folder: string, packages: readonly Package[], fileOf: (pkg: Package) => string): void {
  const files = packages.map((pkg) => [pkg.manifest.name, `file:${fileOf(pkg)}`] as const);
  writeJson(join(folder, 'package.json'), { private: true });
  // JSON is YAML; the overrides give the packages' own dependencies the tarballs, too.
  writeJson(join(folder, 'pnpm-workspace.yaml'), {
    packages: ['*'],
    overrides: Object.fromEntries(files),
    autoInstallPeers: false,
    // Else a package could import what another one brought.
    hoist: false,
    dedupePeerDependents: false,
    onlyBuiltDependencies: ['esbuild'],
  });
  for (const { id, manifest } of packages) {
    const project = join(folder, id);
    mkdirSync(project);
    cpSync(join(here, 'alone', `${id}.mjs`), join(project, 'program.mjs'));
    const peers = Object.keys(manifest.peerDependencies ?? {}).filter(
      (name) => manifest.peerDependenciesMeta?.[name]?.optional !== true,
    );
    // A tensor needs a backend, whichever package it goes to.
    if (peers.length > 0) peers.push('@tensorflow/tfjs-backend-cpu');
    const dependencies = { [manifest.name]: Object.fromEntries(files)[manifest.name], ...versions(...peers) };
    writeJson(join(project, 'package.json'), { private: true, type: 'module', dependencies });
  }
}

/** One project with all packages, what a user adds to them, a compiler and a bundler. */
function writeTogether(folder: string, packages: readonly Package[], fileOf: (pkg: Package) => string): void {
  for (const name of ['node', 'tsc', 'vite']) cpSync(join(here, name), join(folder, name), { recursive: true });
  const libraries = packages.filter(({ group }) => group === 'packages');
  writeJson(join(folder, 'package.json'), {
    private: true,
    type: 'module',
    dependencies: {
      ...Object.fromEntries(libraries.map((pkg) => [pkg.manifest.name, `file:${fileOf(pkg)}`])),
      ...versions(
        '@tensorflow/tfjs',
        '@tensorflow/tfjs-core',
        '@tensorflow/tfjs-backend-cpu',
        '@tensorflow/tfjs-backend-wasm',
        '@tensorflow/tfjs-backend-webgpu',
        '@types/node',
        'typescript',
        'vite',
      ),
    },
  });
}

/** Runs a JavaScript command of the project's node_modules, without a shell. */
function runScript(folder: string, script: string, ...args: readonly string[]) {
  return run(process.execPath, [join(folder, 'node_modules', script), ...args], { cwd: folder });
}

/** Declarations are checked, too (no `skipLibCheck`), except for those of tfjs, which lack their own dependencies. */
function typesAreRight({ output }: Finished): Outcome {
  const errors = output.split('\n').filter((line) => /error TS\d+/.test(line));
  return outcomeOfProblems(errors.filter((line) => !/^node_modules\/(@tensorflow|@webgpu|@types)\//.test(line)));
}

/**
 * @param tarballs folder of the packed packages.
 * @param packedBy name of the task that packs a package.
 */
export function environmentTasks(
  packages: readonly Package[],
  tarballs: string,
  packedBy?: (pkg: Package) => string,
): readonly Task[] {
  const fileOf = (pkg: Package) => tarballOf(pkg, tarballs);
  const needs = packedBy === undefined ? [] : packages.map(packedBy);
  const alone = mkdtempSync(join(tmpdir(), 'sd-alone-'));
  const together = mkdtempSync(join(tmpdir(), 'sd-together-'));
  process.on('exit', () => {
    for (const folder of [alone, together]) rmSync(folder, { recursive: true, force: true });
  });

  const installAlone = 'environment alone: pnpm install';
  const installTogether = 'environment together: npm install';
  return [
    {
      name: installAlone,
      needs,
      run: async () => {
        writeAlone(alone, packages, fileOf);
        return outcomeOf(await runPnpm(['install', '--prefer-offline', '--no-frozen-lockfile'], { cwd: alone }));
      },
    },
    {
      name: installTogether,
      needs,
      run: async () => {
        writeTogether(together, packages, fileOf);
        const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
        return outcomeOf(await run('npm', args, { cwd: together }));
      },
    },
    ...packages.map(({ id }) => ({
      name: `environment alone: ${id}`,
      needs: [installAlone],
      run: async () => outcomeOf(await run(process.execPath, ['program.mjs'], { cwd: join(alone, id) })),
    })),
    {
      name: 'environment node: a program',
      needs: [installTogether],
      run: async () => outcomeOf(await run(process.execPath, ['node/program.mjs'], { cwd: together })),
    },
    ...['bundler', 'nodenext'].map((resolution) => ({
      name: `environment tsc: strict types, moduleResolution ${resolution}`,
      needs: [installTogether],
      run: async () =>
        typesAreRight(await runScript(together, 'typescript/bin/tsc', '--project', `tsc/tsconfig.${resolution}.json`)),
    })),
    {
      name: 'environment vite: a production build',
      needs: [installTogether],
      run: async () => {
        const built = await runScript(together, 'vite/bin/vite.js', 'build', 'vite');
        // Vite replaces a module of Node by an empty one, with a warning, and goes on.
        const externalized = /externalized for browser compatibility|"node:/.test(built.output);
        return outcomeOf(externalized ? { ...built, status: 1 } : built);
      },
    },
    {
      name: 'environment vite: the page in a browser',
      needs: ['environment vite: a production build'],
      run: () => checkPage(join(together, 'vite', 'dist')),
    },
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { without: { type: 'string', multiple: true, default: [] } } });
  const packages = publishedPackages().filter(({ id }) => !values.without.includes(id));
  const tarballs = mkdtempSync(join(tmpdir(), 'sd-tarballs-'));
  const packs = packages.map(
    (pkg): Task => ({ name: `pack ${pkg.id}`, run: async () => outcomeOf(await pack(pkg, tarballs)) }),
  );
  const summary = await runTasks([...packs, ...environmentTasks(packages, tarballs, ({ id }) => `pack ${id}`)], 2);
  rmSync(tarballs, { recursive: true });
  console.log(summaryLine(summary));
  process.exitCode = summary.failed > 0 ? 1 : 0;
}
