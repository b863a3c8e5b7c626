import { ArgumentError } from '@sd/core';
import { BackendError } from './backend-error';
import type { BackendOptions } from './backend-info';
import { importOs } from './node/import-on-node';
import { onNode } from './runtime';

/** The number of threads that WebAssembly shall use: the option, on Node else the environment variable, else one. */
export async function threadsOf({ threads }: BackendOptions): Promise<number> {
  if (!onNode()) {
    if (threads !== undefined) {
      throw new BackendError('wasm', 'threads can be chosen on Node only; in a browser tfjs takes what it is allowed');
    }
    return 1;
  }
  const set = process.env.SD_WASM_THREADS;
  const asked = threads ?? (set === undefined || set === '' ? 1 : Number(set));
  const cores = (await importOs()).availableParallelism();
  if (!Number.isInteger(asked) || asked < 1 || asked > cores) {
    const name = threads === undefined ? 'SD_WASM_THREADS' : 'threads';
    const range = `a whole number from 1 to ${cores}, the cores of this machine`;
    throw new ArgumentError('useBackend', name, range, threads ?? set);
  }
  return asked;
}
