/**
 * `pnpm release:dry`: what a release of the committed state would do, in a temporary clone; publishes nothing.
 * Versions are raised and changelogs written as the pending changesets say, every package is built and packed, and the
 * tarballs' contents are listed. Then a minor change of `core` is released, too: it must make no dependent major.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack, tarballOf } from './lib/pack';
import { type Finished, run, runPnpm } from './lib/run';
import { fail, type Outcome, outcomeOf, outcomeOfProblems, runTasks, summaryLine, type Task } from './lib/tasks';
import { type Package, publishedPackages, root, workspaceDependencies } from './lib/workspace';

const folder = mkdtempSync(join(tmpdir(), 'sd-release-'));
const clone = join(folder, 'clone');
const tarballs = join(folder, 'tarballs');
mkdirSync(tarballs);

const git = (...args: readonly string[]) =>
  run('git', ['-c', 'user.name=dry-run', '-c', 'user.email=dry-run@localhost', ...args], { cwd: clone });
const changeset = (...args: readonly string[]) =>
  run(process.execPath, [join(clone, 'node_modules', '@changesets', 'cli', 'bin.js'), ...args], { cwd: clone });

/** Runs one program after the other until one fails. @returns the last that ran. */
async function inTurn(...steps: readonly (() => Promise<Finished>)[]): Promise<Finished> {
  let last: Finished = { status: 0, output: '', stdout: '' };
  for (const step of steps) {
    last = await step();
    if (last.status !== 0) break;
  }
  return last;
}

const versions = () => new Map(publishedPackages(clone).map(({ manifest: { name, version } }) => [name, version]));
const majorOf = (version: string | undefined) => version?.split('.')[0];

/** Raises versions by the pending changesets, commits, and prints what changed. */
async function raiseVersions(): Promise<{ readonly outcome: Outcome; readonly raised: ReadonlyMap<string, string> }> {
  const before = versions();
  const finished = await inTurn(
    () => changeset('version'),
    () => git('add', '--all'),
    () => git('commit', '--quiet', '--allow-empty', '--message', 'Version packages'),
  );
  const raised = new Map([...versions()].filter(([name, version]) => version !== before.get(name)));
  for (const [name, version] of raised) console.log(`      ${name} ${before.get(name)} -> ${version}`);
  return { outcome: outcomeOf(finished), raised };
}

async function contentProblems(pkg: Package): Promise<readonly string[]> {
  const file = tarballOf(pkg, tarballs);
  const { status, output, stdout } = await run('tar', ['-tzf', file]);
  if (status !== 0) return [output];
  const files = stdout
    .split('\n')
    .map((line) => line.trim().replace(/^package\//, ''))
    .filter((line) => line !== '')
    .sort();
  const { name, version } = pkg.manifest;
  console.log(`      ${name} ${version}: ${files.length} files, ${(statSync(file).size / 1024).toFixed(0)} KiB`);
  console.log(`        ${files.join(' ')}`);
  const manifest = (await run('tar', ['-xzOf', file, 'package/package.json'])).stdout;
  return [
    ...['LICENSE', 'README.md', 'package.json']
      .filter((wanted) => !files.includes(wanted))
      .map((n) => `${n} is missing`),
    ...files
      .filter((path) => /\.test\.|^src\/|^node_modules\//.test(path))
      .map((path) => `${path} must not be published`),
    ...(manifest.match(/"(workspace|catalog):[^"]*"/g) ?? []).map((range) => `${range} is left in package.json`),
  ].map((problem) => `${name}: ${problem}`);
}

const tasks: Task[] = [
  {
    name: 'clone and install',
    run: async () =>
      outcomeOf(
        await inTurn(
          () => run('git', ['clone', '--quiet', root, clone]),
          () => git('checkout', '--quiet', '-B', 'main'),
          () => runPnpm(['install', '--frozen-lockfile', '--prefer-offline'], { cwd: clone }),
        ),
      ),
  },
  {
    name: 'changeset status',
    needs: ['clone and install'],
    run: async () => outcomeOf(await changeset('status', '--verbose')),
  },
  {
    name: 'changeset version',
    needs: ['changeset status'],
    run: async () => (await raiseVersions()).outcome,
  },
  {
    name: 'the lockfile still fits',
    needs: ['changeset version'],
    run: async () => outcomeOf(await runPnpm(['install', '--frozen-lockfile', '--prefer-offline'], { cwd: clone })),
  },
  {
    name: 'build and pack',
    needs: ['the lockfile still fits'],
    run: async () => {
      const packages = publishedPackages(clone);
      const steps = packages.map((pkg) => () => pack(pkg, tarballs));
      return outcomeOf(await inTurn(() => runPnpm(['run', 'build'], { cwd: clone }), ...steps));
    },
  },
  {
    name: 'contents of the tarballs',
    needs: ['build and pack'],
    run: async () => {
      const problems: string[] = [];
      for (const pkg of publishedPackages(clone)) problems.push(...(await contentProblems(pkg)));
      return outcomeOfProblems(problems);
    },
  },
  {
    name: 'a minor of core makes no dependent major or minor',
    needs: ['changeset version'],
    run: async () => {
      const text = '---\n"@sd/core": minor\n---\n\nA change that only core has.\n';
      writeFileSync(join(clone, '.changeset', 'dry-run.md'), text);
      const before = versions();
      const { outcome, raised } = await raiseVersions();
      if (outcome.status !== 'pass') return outcome;
      const packages = publishedPackages(clone);
      const dependents = packages.filter((pkg) => workspaceDependencies(pkg, packages).length > 0);
      if (!raised.has('@sd/core')) return fail('core itself was not raised');
      if (dependents.length === 0) return fail('nothing depends on core, so nothing was tried');
      const minorOf = (version: string | undefined) => version?.split('.').slice(0, 2).join('.');
      const wrong = [...raised].filter(([name, version]) =>
        name === '@sd/core'
          ? majorOf(version) !== majorOf(before.get(name))
          : minorOf(version) !== minorOf(before.get(name)),
      );
      return outcomeOfProblems(wrong.map(([name, version]) => `${name} went from ${before.get(name)} to ${version}`));
    },
  },
  {
    name: 'provenance',
    run: async () => {
      const workflow = readFileSync(join(root, '.github', 'workflows', 'release.yml'), 'utf8');
      const asked = publishedPackages().filter(({ manifest }) => manifest.publishConfig?.provenance !== true);
      return outcomeOfProblems([
        ...(/^ +id-token: write\b/m.test(workflow) ? [] : ['release.yml lacks the permission id-token: write']),
        ...asked.map(({ manifest }) => `${manifest.name}: publishConfig.provenance must be true`),
      ]);
    },
  },
];

try {
  const summary = await runTasks(tasks, 1);
  console.log(summaryLine(summary));
  process.exitCode = summary.failed > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
