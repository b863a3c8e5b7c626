/**
 * Every ```ts block of the root's, the packages' and the apps' READMEs is a program: all are type-checked strictly, and
 * each is run in a Node process of its own, against the sources of this workspace. A block that opens with
 * ```ts no-run is only type-checked. Arguments are READMEs in place of all.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import tsconfig from '../tsconfig.json' with { type: 'json' };
import { runBin } from './lib/run';
import { fail, type Outcome, pass, runTasks, summaryLine, type Task } from './lib/tasks';
import { root } from './lib/workspace';

type Snippet = {
  readonly readme: string;
  /** Line of the README that its first line is. */
  readonly line: number;
  readonly code: string;
  readonly runs: boolean;
  /** Path of its module, relative to the cache, without the extension. */
  readonly module: string;
};

// Not inside node_modules, where tools take no notice of tsconfig.json.
const cache = join(root, '.cache', 'readme-snippets');
const timeLimitSeconds = 120;

function readmes(): readonly string[] {
  const folders = ['packages', 'apps'].flatMap((group) => readdirSync(join(root, group)).map((id) => join(group, id)));
  return ['.', ...folders].map((folder) => join(folder, 'README.md')).filter((file) => existsSync(join(root, file)));
}

function snippetsOf(readme: string): readonly Snippet[] {
  const text = readFileSync(join(root, readme), 'utf8').replaceAll('\r\n', '\n');
  return [...text.matchAll(/^```ts( no-run)?\n([\s\S]*?)^```$/gm)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length + 1;
    const name = readme.replaceAll('\\', '/').replace(/\/?README\.md$/, '') || 'root';
    return { readme, line, code: match[2] as string, runs: match[1] === undefined, module: `${name}/line-${line}` };
  });
}

/** Blank lines in front give an error the README's line. */
function writeSnippet({ module, line, code }: Snippet): void {
  const file = join(cache, `${module}.ts`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${'\n'.repeat(line - 1)}${code}\nexport {};\n`);
}

/** `packages/core/line-35.ts:40` in a message becomes `packages/core/README.md:40`. */
function inReadme(text: string, snippets: readonly Snippet[]): string {
  const folder = `${relative(root, cache).replaceAll('\\', '/')}/`;
  const plain = text.replaceAll('\\', '/').replaceAll(`file://${root}`, '').replaceAll(root, '').replaceAll(folder, '');
  return snippets.reduce((message, { module, readme }) => {
    const path = module.replaceAll('.', '\\.');
    return message.replace(new RegExp(`${path}\\.(?:ts|mjs)[:(](\\d+)(?:[:,]\\d+\\)?)?`, 'g'), `${readme}:$1`);
  }, plain);
}

async function typesAreRight(snippets: readonly Snippet[]): Promise<Outcome> {
  const paths = Object.entries(tsconfig.compilerOptions.paths).map(([name, files]) => [
    name,
    files.map((file) => join(root, file)),
  ]);
  const config = {
    extends: join(root, 'tsconfig.base.json'),
    // A snippet may leave a result unused: it shows a call.
    compilerOptions: { paths: Object.fromEntries(paths), noUnusedLocals: false },
    files: snippets.map(({ module }) => join(cache, `${module}.ts`)),
  };
  writeFileSync(join(cache, 'tsconfig.json'), JSON.stringify(config, null, 2));
  const { status, output } = await runBin('tsc', ['--noEmit', '--pretty', 'false', '-p', join(cache, 'tsconfig.json')]);
  return status === 0 ? pass : fail(inReadme(output.trimEnd(), snippets));
}

function isRootsOwn(path: string): boolean {
  const name = /^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path;
  return existsSync(join(root, 'node_modules', name));
}

/** Each snippet as one module: workspace names from their sources, packages from node_modules. */
async function bundle(snippets: readonly Snippet[]): Promise<Outcome> {
  const alias = Object.entries(tsconfig.compilerOptions.paths).map(([name, [file]]) => [
    name,
    join(root, file as string),
  ]);
  await build({
    entryPoints: snippets.map(({ module }) => ({ in: join(cache, `${module}.ts`), out: module })),
    outdir: cache,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'silent',
    plugins: [
      {
        name: 'workspace',
        setup({ onResolve }) {
          const files = new Map(alias.map(([name, file]) => [name as string, file as string]));
          onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
            if (kind === 'entry-point') return undefined;
            const file = files.get(path);
            if (file !== undefined) return { path: file };
            // What only the importing package has is bundled: the program runs in the root's node_modules.
            return isBuiltin(path) || isRootsOwn(path) ? { path, external: true } : undefined;
          });
        },
      },
    ],
  });
  return pass;
}

function runSnippet(snippet: Snippet, all: readonly Snippet[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const args = ['--enable-source-maps', `${join(cache, snippet.module)}.mjs`];
    const child = spawn(process.execPath, args, { cwd: cache, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes;
    });
    child.stderr.on('data', (bytes: Buffer) => {
      output += bytes;
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeLimitSeconds * 1000);
    child.on('error', (error) => resolve(fail(error.message)));
    child.on('close', (status) => {
      clearTimeout(timer);
      const reason = late ? `\n(not finished after ${timeLimitSeconds} s)` : `\n(exit status ${status})`;
      resolve(status === 0 ? pass : fail(inReadme(output.trimEnd(), all) + reason));
    });
  });
}

const chosen = process.argv.slice(2);
const snippets = (chosen.length > 0 ? chosen : readmes()).flatMap(snippetsOf);
rmSync(cache, { recursive: true, force: true });
mkdirSync(cache, { recursive: true });
for (const snippet of snippets) writeSnippet(snippet);
const running = snippets.filter(({ runs }) => runs);

const tasks: Task[] = [
  { name: `types of ${snippets.length} snippets`, run: () => typesAreRight(snippets) },
  { name: 'bundle', run: () => bundle(running) },
  ...running.map((snippet) => ({
    name: `${snippet.readme}:${snippet.line}`,
    needs: ['bundle'],
    run: () => runSnippet(snippet, running),
  })),
];
const summary = await runTasks(tasks, 2);
console.log(summaryLine(summary));
process.exitCode = summary.failed > 0 ? 1 : 0;
