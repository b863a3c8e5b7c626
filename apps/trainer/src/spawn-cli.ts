import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** For tests: the command as a person runs it, from the sources. */
export type CliRun = {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
};

const cli = fileURLToPath(new URL('./cli.ts', import.meta.url));
const root = fileURLToPath(new URL('../../../', import.meta.url));

/** @param blocks limit on the size of any file that it writes, in blocks of 512 bytes; not on Windows. */
export function spawnCli(args: readonly string[], blocks?: number): CliRun {
  const command = [process.execPath, '--import', import.meta.resolve('tsx'), cli, ...args];
  const limited = ['sh', '-c', `ulimit -f ${blocks} && exec "$0" "$@"`, ...command];
  const [program, ...rest] = blocks === undefined ? command : limited;
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '' };
  const child = spawn(program, rest, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
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
