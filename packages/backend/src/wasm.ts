import * as tf from '@tensorflow/tfjs-core';
import { BackendError, reasonOf } from './backend-error';
import type { BackendOptions, StartedBackend } from './backend-info';
import { onNode } from './runtime';
import { registerWasmTrainingKernels } from './wasm/index';
import { type NativeLibrary, nativeLibrary } from './wasm/native/library';
import { threadsOf } from './wasm-threads';

type WasmModule = typeof import('@tensorflow/tfjs-backend-wasm');

/** Whose threads run. */
let threaded: NativeLibrary | null = null;

/**
 * WebAssembly: tfjs's kernels (XNNPACK, SIMD) and the kernels of this package, on Node on several threads if asked for.
 * @throws BackendError where its `.wasm` file cannot be loaded, or the threads cannot be started.
 */
export async function startWasm(options: BackendOptions = {}): Promise<StartedBackend> {
  const threads = await threadsOf(options);
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  try {
    await setBackend(wasm, options, threads > 1);
  } catch (error) {
    const advice = onNode()
      ? ''
      : '; serve the .wasm files of @tensorflow/tfjs-backend-wasm/dist and pass { wasmPaths }';
    throw new BackendError('wasm', reasonOf(error) + advice, { cause: error });
  }
  registerWasmTrainingKernels();
  const running = onNode() ? await startThreads(threads) : wasm.getThreadsCount();
  const simd = (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) ? 'SIMD' : 'no SIMD';
  return { name: 'wasm', device: `${running} thread${running === 1 ? '' : 's'}, ${simd}`, canTrain: true };
}

/** Ends the threads; the backend goes on with one. */
export async function releaseWasm(): Promise<void> {
  await threaded?.useThreads(1);
  threaded = null;
}

async function setBackend(wasm: WasmModule, { wasmPaths }: BackendOptions, shared: boolean): Promise<void> {
  const running = tf.engine().registry.wasm;
  if (shared && running !== undefined && !libraryOf(running)?.isShared) {
    // Its memory cannot become shared: tfjs has to load the other build.
    const factory = tf.findBackendFactory('wasm');
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', factory, 2);
  }
  const paths = wasmPaths ?? (onNode() ? await (await import('./node/wasm-folder')).wasmFolder() : undefined);
  if (paths !== undefined) wasm.setWasmPaths(paths);
  const start = async () => {
    if (!(await tf.setBackend('wasm'))) throw new Error('its .wasm file could not be loaded');
  };
  if (!shared) return start();
  wasm.setThreadsCount(1);
  await (await import('./node/shared-memory')).withSharedMemory(start);
}

async function startThreads(threads: number): Promise<number> {
  const library = libraryOf(tf.backend());
  if (threaded !== library) await releaseWasm();
  if (library === null && threads > 1) throw new BackendError('wasm', 'several threads need WebAssembly with SIMD');
  await library?.useThreads(threads);
  threaded = library;
  return library?.threads ?? 1;
}

function libraryOf(backend: tf.KernelBackend): NativeLibrary | null {
  return nativeLibrary(backend as Parameters<typeof nativeLibrary>[0]);
}
