import { proxy, type Remote, wrap } from 'comlink';
import type { WorkerEvent } from './protocol';
import type { Playground } from './worker/playground';

export type Client = Remote<Playground>;

/** Starts the worker, in which every model runs. */
export function startClient(tell: (event: WorkerEvent) => void): Client {
  const worker = new Worker(new URL('./worker/worker.ts', import.meta.url), { type: 'module', name: 'models' });
  // A worker whose script does not load says only this; calls of it would wait for ever.
  worker.addEventListener('error', ({ message }) => {
    tell({ kind: 'failed', reason: message || 'its script cannot be loaded' });
  });
  const client = wrap<Playground>(worker);
  void client.listen(proxy(tell));
  return client;
}
