import { releaseWebgpu } from './webgpu';

/**
 * Gives a WebGPU device back, with every tensor on it; to be called at the end of a Node program, which may not exit
 * while Dawn is loaded. Does nothing on the other backends. `useBackend` may be called again afterwards.
 */
export async function releaseBackend(): Promise<void> {
  await releaseWebgpu();
}
