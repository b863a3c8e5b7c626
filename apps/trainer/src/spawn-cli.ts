import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** For tests: the command as a person runs it. */
export type CliRun = {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
};

const root = fileURLToPath(new URL('../../../', import.meta.url));

let program: string | undefined;

/** The command in one file, of these sources. Through tsx every start takes seven seconds more. */
function bundledCli(): string {
  if (program !== undefined) return program;
  const outfile = fileURLToPath(new URL(`../.cache/cli-${process.pid}.mjs`, import.meta.url));
  buildSync({
    entryPoints: [fileURLToPath(new URL('./cli.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    tsconfig: `${root}/tsconfig.json`, // its paths: workspace packages are of the sources, too
    logLevel: 'silent',
  });
  process.once('exit', () => rmSync(outfile, { force: true }));
  program = outfile;
  return outfile;
}

export type SpawnOptions = {
  /** Limit on the size of any file that it writes, in blocks of 512 bytes; not on Windows. */
  readonly blocks?: number;
  /** What the command is an argument of: `nsenter` with its options, for one. */
  readonly within?: readonly string[];
};

export function spawnCli(args: readonly string[], { blocks, within = [] }: SpawnOptions = {}): CliRun {
  const command = [...within, process.execPath, bundledCli(), ...args];
  const limited = ['sh', '-c', `ulimit -f ${blocks} && exec "$0" "$@"`, ...command];
  const [executable, ...rest] = blocks === undefined ? command : limited;
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '' };
  const child = spawn(executable, rest, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Awaited<CliRun['ended']>>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}
