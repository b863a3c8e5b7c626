import * as tf from '@tensorflow/tfjs-core';
import { BackendError } from './backend-error';
import type { BackendOptions, StartedBackend } from './backend-info';
import { onNode } from './runtime';

/**
 * WebAssembly: tfjs's kernels (XNNPACK, SIMD) and the training kernels of `./wasm` that it lacks.
 * @throws BackendError where its `.wasm` file cannot be loaded.
 */
export async function startWasm({ wasmPaths }: BackendOptions = {}): Promise<StartedBackend> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  if (tf.getBackend() !== 'wasm' || wasmPaths !== undefined) {
    const paths = wasmPaths ?? (onNode() ? (await import('./node/wasm-folder')).wasmFolder() : undefined);
    if (paths !== undefined) wasm.setWasmPaths(paths);
  }
  if (!(await tf.setBackend('wasm'))) {
    throw new BackendError(
      'useBackend: wasm could not load its .wasm file; in a browser serve the files of @tensorflow/tfjs-backend-wasm/dist and pass { wasmPaths }',
    );
  }
  const threads = wasm.getThreadsCount();
  const simd = (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) ? 'SIMD' : 'no SIMD';
  return { name: 'wasm', device: `${threads} thread${threads === 1 ? '' : 's'}, ${simd}`, canTrain: true };
}
