/**
 * `pnpm check`: types, lint, format, import cycles, one copy of tfjs-core, builds, publint and are-the-types-wrong on
 * every package, packed tarballs in fresh projects, README snippets. Each check runs even when another fails.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const bin = (name: string) => join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);
/** The pnpm that runs this script; it need not be on the PATH. */
const pnpm = process.env.npm_execpath ?? 'pnpm';
const results: { name: string; passed: boolean; seconds: number }[] = [];

function check(name: string, command: string, args: string[], cwd = root): void {
  const started = performance.now();
  const run = spawnSync(command, args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' });
  const passed = run.status === 0;
  const seconds = (performance.now() - started) / 1000;
  results.push({ name, passed, seconds });
  console.log(`${passed ? 'pass' : 'FAIL'}  ${name}  (${seconds.toFixed(1)} s)`);
  if (!passed) console.log(`${run.stdout ?? ''}${run.stderr ?? ''}${run.error?.message ?? ''}`);
}

function oneCopyOfTfjsCore(): boolean {
  const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8');
  const versions = new Set(lockfile.match(/^ {2}'?@tensorflow\/tfjs-core@[0-9.]+/gm));
  return versions.size === 1;
}

check('types', bin('tsc'), ['--noEmit']);
check('lint and import cycles', bin('biome'), ['lint', '--error-on-warnings', '.']);
check('format', bin('biome'), ['format', '.']);
const single = oneCopyOfTfjsCore();
results.push({ name: 'one copy of tfjs-core', passed: single, seconds: 0 });
console.log(`${single ? 'pass' : 'FAIL'}  one copy of tfjs-core in the lockfile`);
check('build', process.execPath, [pnpm, '-r', '--workspace-concurrency=2', 'run', 'build']);
for (const group of ['packages', 'apps']) {
  for (const name of readdirSync(join(root, group)).sort()) {
    const folder = join(root, group, name);
    check(`publint ${name}`, bin('publint'), ['--strict', folder]);
    if (group === 'packages') {
      check(`are the types wrong ${name}`, bin('attw'), ['--pack', folder, '--profile', 'esm-only']);
    }
  }
}
check('environments', bin('tsx'), ['environments/run.ts']);
check('README snippets', bin('tsx'), ['scripts/readme-snippets.ts']);

const failed = results.filter((result) => !result.passed);
console.log(`checks: ${results.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 ? 1 : 0;
