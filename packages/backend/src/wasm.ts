import * as tf from '@tensorflow/tfjs-core';
import { BackendError, reasonOf } from './backend-error';
import type { BackendOptions, StartedBackend } from './backend-info';
import { onNode } from './runtime';
import { registerWasmTrainingKernels } from './wasm/index';

/**
 * WebAssembly: tfjs's kernels (XNNPACK, SIMD) and the training kernels that it lacks.
 * @throws BackendError where its `.wasm` file cannot be loaded.
 */
export async function startWasm({ wasmPaths }: BackendOptions = {}): Promise<StartedBackend> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  try {
    const paths = wasmPaths ?? (onNode() ? await (await import('./node/wasm-folder')).wasmFolder() : undefined);
    if (paths !== undefined) wasm.setWasmPaths(paths);
    if (!(await tf.setBackend('wasm'))) throw new Error('its .wasm file could not be loaded');
  } catch (error) {
    const advice = onNode()
      ? ''
      : '; serve the .wasm files of @tensorflow/tfjs-backend-wasm/dist and pass { wasmPaths }';
    throw new BackendError('wasm', reasonOf(error) + advice, { cause: error });
  }
  await registerWasmTrainingKernels();
  const threads = wasm.getThreadsCount();
  const simd = (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) ? 'SIMD' : 'no SIMD';
  return { name: 'wasm', device: `${threads} thread${threads === 1 ? '' : 's'}, ${simd}`, canTrain: true };
}
