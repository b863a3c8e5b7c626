import * as tf from '@tensorflow/tfjs-core';

type Message = { readonly cmd: string };

/**
 * Stands for the eight workers that emscripten starts for its own threads and waits for. tfjs's share of the work needs none:
 * its kernels run on one thread (XNNPACK is given one), and ours on threads of their own.
 */
class NoWorker {
  onmessage: (event: { readonly data: Message }) => void = () => {};

  constructor(script: string) {
    URL.revokeObjectURL(script); // tfjs makes one for each
  }

  postMessage({ cmd }: Message): void {
    if (cmd === 'load') queueMicrotask(() => this.onmessage({ data: { cmd: 'loaded' } }));
  }

  on(): void {}
  ref(): void {}
  unref(): void {}
  terminate(): void {}
}

/**
 * Runs `start`, which sets tfjs's wasm backend up, so that it takes its threaded build, the memory of which threads can
 * share. tfjs switches that build off on Node (flags_wasm.js, WASM_HAS_MULTITHREAD_SUPPORT), as its workers' script is a
 * blob there; and its number of threads is at most half the logical cores (init_with_threads_count), one on two cores.
 */
export async function withSharedMemory<T>(start: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
  // The build assigns Node's own before it makes any.
  Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => NoWorker, set: () => {} });
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
  try {
    return await start();
  } finally {
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    if (before === undefined) Reflect.deleteProperty(globalThis, 'Worker');
    else Object.defineProperty(globalThis, 'Worker', before);
  }
}
