import { BackendError } from '../backend-error';
import { importOnNode } from './import-on-node';

type Dawn = { create(flags: string[]): GPU; globals: Record<string, unknown> };

/**
 * NVIDIA's Vulkan driver offers f16 to Dawn only on request, and subgroup matrices are still behind the unsafe APIs.
 * Toggles that a platform does not know are ignored.
 */
const features = ['vulkan_enable_f16_on_nvidia', 'allow_unsafe_apis'];

/**
 * Dawn checks every call, and its shaders every index of an array. With the environment variable `SD_WEBGPU_UNCHECKED=1`
 * they do not: quicker, but then a wrong index reads other memory or loses the device, and a wrong call ends the process.
 * The device's clock is then read as it is, else in steps of 65 microseconds.
 */
const unchecked = ['disable_robustness', 'skip_validation'];

// Never let go of: when the garbage collector takes it, Dawn is freed under the objects of its devices that still wait
// for their own turn, and the process dies (a futex error, a segmentation fault).
let gpu: GPU | null = null;
let ownNavigator = false;

/**
 * Loads Dawn, once in the life of a process, and defines `navigator.gpu` and the WebGPU globals, as tfjs's WebGPU
 * backend wants them before it is imported.
 * @throws BackendError where the package `webgpu` is absent or has no binary for this platform.
 */
export async function startDawn(): Promise<GPU> {
  if (gpu === null) {
    const { create, globals } = await loadDawn();
    for (const [key, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, key, { value, configurable: true, writable: true, enumerable: false });
    }
    const isUnchecked = process.env.SD_WEBGPU_UNCHECKED === '1';
    const asked = isUnchecked ? [...features, ...unchecked] : features;
    gpu = create([
      `enable-dawn-features=${asked.join(',')}`,
      ...(isUnchecked ? ['disable-dawn-features=timestamp_quantization'] : []),
    ]);
  }
  if (typeof navigator === 'undefined') {
    // Node has one from version 21 on.
    const value = { userAgent: `Node.js/${process.versions.node}` };
    Object.defineProperty(globalThis, 'navigator', { value, configurable: true, writable: true, enumerable: false });
    ownNavigator = true;
  }
  Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true, enumerable: false });
  return gpu;
}

/** Undefines `navigator.gpu`, so that other code finds none, and with a destroyed device lets the process exit. */
export function hideDawn(): void {
  if (typeof navigator !== 'undefined' && navigator.gpu === gpu) Reflect.deleteProperty(navigator, 'gpu');
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
