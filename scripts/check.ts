/**
 * `pnpm check`: types, lint, format, import cycles, one copy of tfjs-core, every package.json, pinned exports, builds,
 * publint and are-the-types-wrong on every packed package, packed packages in fresh projects, README snippets.
 * Each check runs even when another fails. `--json=FILE` writes the counts, too.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { environmentTasks } from '../environments/run';
import { lintFindsCycles } from './checks/import-cycles';
import { manifestProblems, undeclaredImports, unpinnedExports } from './checks/manifests';
import { oneTfjsCore } from './checks/one-tfjs-core';
import { pack, tarballOf } from './lib/pack';
import { runBin, runPnpm } from './lib/run';
import { fail, outcomeOf, outcomeOfProblems, runTasks, summaryLine, type Task } from './lib/tasks';
import { publishedPackages, workspaceDependencies } from './lib/workspace';

const { values } = parseArgs({ options: { json: { type: 'string' } } });
const packages = publishedPackages();
const tarballs = mkdtempSync(join(tmpdir(), 'sd-tarballs-'));

const builds = packages.map((pkg): Task => {
  const needs = workspaceDependencies(pkg, packages).map(({ id }) => `build and pack ${id}`);
  const run = async () => {
    const built = await runPnpm(['run', 'build'], { cwd: pkg.folder });
    return outcomeOf(built.status === 0 ? await pack(pkg, tarballs) : built);
  };
  return { name: `build and pack ${pkg.id}`, needs, run };
});
const packed = packages.flatMap((pkg): Task[] => {
  const tarball = tarballOf(pkg, tarballs);
  const needs = [`build and pack ${pkg.id}`];
  const publint = async () => outcomeOf(await runBin('publint', ['run', '--strict', tarball]));
  const typesAreRight = async () =>
    outcomeOf(await runBin('attw', [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color']));
  const tasks: Task[] = [{ name: `publint ${pkg.id}`, needs, run: publint }];
  if (pkg.group === 'packages') tasks.push({ name: `are the types wrong ${pkg.id}`, needs, run: typesAreRight });
  return tasks;
});

const tasks: Task[] = [
  { name: 'types', run: async () => outcomeOf(await runBin('tsc', ['--noEmit'])) },
  {
    name: 'lint, with import cycles',
    run: async () => outcomeOf(await runBin('biome', ['lint', '--error-on-warnings', '.'])),
  },
  { name: 'the linter finds a cycle', run: lintFindsCycles },
  { name: 'format', run: async () => outcomeOf(await runBin('biome', ['format', '.'])) },
  { name: 'one copy of tfjs-core', run: oneTfjsCore },
  { name: 'every package.json', run: async () => outcomeOfProblems(packages.flatMap(manifestProblems)) },
  {
    name: 'imports are declared',
    run: async () => outcomeOfProblems((await Promise.all(packages.map(undeclaredImports))).flat()),
  },
  { name: 'exports are pinned', run: async () => outcomeOfProblems(packages.flatMap(unpinnedExports)) },
  ...builds,
  ...packed,
  ...environmentTasks(packages, tarballs, (pkg) => `build and pack ${pkg.id}`),
  {
    name: 'README snippets',
    run: async () => {
      const finished = await runBin('tsx', ['scripts/readme-snippets.ts']);
      return finished.status === 0 ? outcomeOf(finished) : fail(finished.output);
    },
  },
];

try {
  const summary = await runTasks(tasks, 2);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(summary));
  console.log(summaryLine(summary));
  process.exitCode = summary.failed > 0 ? 1 : 0;
} finally {
  rmSync(tarballs, { recursive: true });
}
