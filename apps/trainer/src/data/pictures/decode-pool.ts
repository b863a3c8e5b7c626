import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SpectralDiffusionError } from '@sd/core';
import type { SquareOptions } from '../image-file';
import type { DecodeReply, DecodeRequest } from './decode-worker';

type Waiting = { resolve(pixels: Uint8Array): void; reject(error: Error): void };

/** A thread that cannot go on: no fault of a picture. */
export class DecodeThreadError extends SpectralDiffusionError {
  override readonly name = 'DecodeThreadError';
}

/** Threads beyond which decoding is not what one waits for. */
const MAXIMUM_THREADS = 8;

/** Threads that decode pictures, so that the one that trains does not. They start with the first picture. */
export class DecodePool {
  readonly #workers: Worker[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(private readonly threads = Math.max(1, Math.min(MAXIMUM_THREADS, availableParallelism() - 1))) {}

  /** @param picture is handed over: its memory can no longer be used. @throws what sharp says of a broken picture. */
  decode(picture: Uint8Array, options: SquareOptions): Promise<Uint8Array> {
    const id = this.#next++;
    const worker = this.#worker(id % this.threads);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      const whole = picture.byteLength === picture.buffer.byteLength ? picture : picture.slice();
      worker.postMessage({ id, picture: whole, options } satisfies DecodeRequest, [whole.buffer as ArrayBuffer]);
    });
  }

  async close(): Promise<void> {
    const workers = this.#workers.splice(0);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #worker(index: number): Worker {
    this.#workers[index] ??= this.#start();
    return this.#workers[index];
  }

  #start(): Worker {
    const worker = startWorker();
    worker.on('message', (reply: DecodeReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('pixels' in reply) waiting?.resolve(reply.pixels);
      else waiting?.reject(new Error(reply.error));
      if (this.#waiting.size === 0) for (const each of this.#workers) each?.unref(); // the process may end
    });
    worker.on('error', (error) => {
      const failure = new DecodeThreadError(`a thread that decodes pictures ended: ${(error as Error).message}`);
      for (const { reject } of this.#waiting.values()) reject(failure);
      this.#waiting.clear();
      this.#workers.length = 0;
    });
    worker.unref();
    return worker;
  }
}

function startWorker(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./decode-worker.js', import.meta.url)); // beside the bundle
  // From the sources the thread needs what reads TypeScript, before it reads any.
  const [tsx, worker] = [import.meta.resolve('tsx/esm/api'), new URL('./decode-worker.ts', import.meta.url).href];
  const start = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(worker)}); });`;
  return new Worker(start, { eval: true });
}
