import { fork } from 'node:child_process';
import { PROGRESS_BY_IPC, showIpcProgress } from '../console/ipc-progress';
import type { OpenProgress } from '../console/progress';
import { UserError } from '../user-error';

/**
 * Runs this command with other arguments in a process of its own: two trainings on WebAssembly, which computes on one
 * thread, then use two cores. An aborted `signal` becomes its Ctrl-C, after which it saves and ends.
 *
 * @throws {UserError} with the last lines that the process wrote when it fails.
 */
export async function runBeside(
  args: readonly string[],
  openProgress: OpenProgress,
  signal?: AbortSignal,
): Promise<void> {
  const child = fork(process.argv[1], [...args], {
    execArgv: process.execArgv,
    env: { ...process.env, [PROGRESS_BY_IPC]: '1' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true, // else a Ctrl-C in the terminal would reach it twice, and the second one ends it unsaved
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4000);
  });
  child.on('message', showIpcProgress(openProgress));
  const interrupt = () => child.kill('SIGINT');
  signal?.addEventListener('abort', interrupt, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  signal?.removeEventListener('abort', interrupt);
  if (signal?.aborted && code === 130) return;
  if (code !== 0) throw new UserError(`\`sd ${args.join(' ')}\` ended with ${code ?? 'a signal'}:\n${log.trim()}`);
}
