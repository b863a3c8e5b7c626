import { fork } from 'node:child_process';
import { z } from 'zod';
import { UserError } from '../user-error';
import type { TrialStep } from './trial-step';

/** What `sd trial` ends with where its step failed: on a full device that is the way it fails. */
export const TRIAL_FAILED = 3;

const result = z.object({ seconds: z.number(), peakBytes: z.number(), heldBytes: z.number() });

export type TrialOutcome = { readonly step: TrialStep } | { readonly failure: string };

/**
 * A trial step in a process of its own, which a device that is full may end.
 * @param args of `sd trial`. @throws {UserError} where the project itself is what is wrong.
 */
export async function tryStep(args: readonly string[], signal?: AbortSignal): Promise<TrialOutcome> {
  const child = fork(process.argv[1], ['trial', ...args], {
    execArgv: process.execArgv,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let [out, log] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4000);
  });
  const stop = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const [code, ended] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, by) => resolve([status, by]));
  });
  signal?.removeEventListener('abort', stop);
  signal?.throwIfAborted();
  if (code === 0) return { step: result.parse(JSON.parse(out)) };
  const last = log.trim().split('\n').at(-1) ?? '';
  if (code === 1) throw new UserError(last.replace(/^error /, ''));
  return { failure: ended ? `ended by ${ended}` : last };
}
