import { BackendError } from '../backend-error';
import { importOnNode } from './import-on-node';

type Dawn = { create(flags: string[]): GPU; globals: Record<string, unknown> };

/**
 * NVIDIA's Vulkan driver offers f16 to Dawn only on request, and subgroup matrices are still behind the unsafe APIs.
 * Toggles that a platform does not know are ignored.
 */
const flags = ['enable-dawn-features=vulkan_enable_f16_on_nvidia,allow_unsafe_apis'];

// Reachable for as long as it is used: if the garbage collector took it, Dawn would be freed under its devices.
let gpu: GPU | null = null;
let ownNavigator = false;

/**
 * Loads Dawn and defines `navigator.gpu` and the WebGPU globals, as tfjs's WebGPU backend wants them before it is
 * imported.
 * @throws BackendError where the package `webgpu` is absent or has no binary for this platform.
 */
export async function startDawn(): Promise<GPU> {
  if (gpu !== null) return gpu;
  const { create, globals } = await loadDawn();
  for (const [key, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, key, { value, configurable: true, writable: true, enumerable: false });
  }
  gpu = create(flags);
  if (typeof navigator === 'undefined') {
    // Node has one from version 21 on.
    const value = { userAgent: `Node.js/${process.versions.node}` };
    Object.defineProperty(globalThis, 'navigator', { value, configurable: true, writable: true, enumerable: false });
    ownNavigator = true;
  }
  Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true, enumerable: false });
  return gpu;
}

/** Lets go of Dawn, which keeps the process alive; its devices must have been destroyed. */
export function stopDawn(): void {
  if (gpu === null) return;
  gpu = null;
  Reflect.deleteProperty(navigator, 'gpu');
  if (ownNavigator) Reflect.deleteProperty(globalThis, 'navigator');
  ownNavigator = false;
}

async function loadDawn(): Promise<Dawn> {
  try {
    return (await importOnNode('webgpu')) as Dawn;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const reason =
      code === 'ERR_MODULE_NOT_FOUND'
        ? 'the package webgpu is not installed'
        : `the package webgpu has no working binary for ${process.platform}-${process.arch}`;
    throw new BackendError('webgpu', reason, { cause: error });
  }
}
