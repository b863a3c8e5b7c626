import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './workspace';

export type Finished = {
  /** Exit status; null where the program could not be started or was killed. */
  readonly status: number | null;
  /** Standard output and standard error, together and in order. */
  readonly output: string;
  readonly stdout: string;
};

export type RunOptions = { readonly cwd?: string; readonly env?: Readonly<Record<string, string | undefined>> };

/** Runs a program to its end with a closed standard input. Never rejects. */
export function run(command: string, args: readonly string[], { cwd = root, env }: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: env === undefined ? process.env : { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // npm's and pnpm's commands are .cmd files on Windows, which only a shell starts.
      shell: process.platform === 'win32' && command !== process.execPath,
    });
    let output = '';
    let stdout = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes;
      stdout += bytes;
    });
    child.stderr.on('data', (bytes: Buffer) => {
      output += bytes;
    });
    child.on('error', (error) => resolve({ status: null, output: `${output}${error.message}`, stdout }));
    child.on('close', (status) => resolve({ status, output, stdout }));
  });
}

/** Runs a program of the root's devDependencies. */
export function runBin(name: string, args: readonly string[], options?: RunOptions): Promise<Finished> {
  const file = process.platform === 'win32' ? `${name}.cmd` : name;
  return run(join(root, 'node_modules', '.bin', file), args, options);
}

/** Runs the pnpm that started this script, which need not be on the PATH; else npm fetches one. */
export function runPnpm(args: readonly string[], options?: RunOptions): Promise<Finished> {
  const own = process.env.npm_execpath;
  // A script that ends in .cjs runs under Node; pnpm's single executable runs by itself.
  if (own !== undefined && /pnpm[^/\\]*$/.test(own)) {
    return /\.[cm]?js$/.test(own) ? run(process.execPath, [own, ...args], options) : run(own, args, options);
  }
  return run('npx', ['--yes', 'pnpm@10', ...args], options);
}
