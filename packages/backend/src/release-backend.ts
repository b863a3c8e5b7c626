import { releaseWasm } from './wasm';
import { releaseWebgpu } from './webgpu';

/**
 * Gives a WebGPU device back, with every tensor on it; to be called at the end of a Node program, which may not exit
 * while Dawn is loaded. Ends WebAssembly's threads, without which it goes on on one. Does nothing on the other backends.
 * `useBackend` may be called again afterwards.
 */
export async function releaseBackend(): Promise<void> {
  await releaseWasm();
  await releaseWebgpu();
}
