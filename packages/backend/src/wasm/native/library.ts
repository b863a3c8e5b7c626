import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { kernelBytes } from './bytes';

/** The functions of assembly/index.ts; addresses and strides in bytes. */
export type NativeFunctions = {
  readonly gemm: (...numbers: number[]) => void;
  readonly convFilterGradient: (...numbers: number[]) => void;
};

/** The SIMD kernels of assembly/, running on the memory of one tfjs wasm instance. */
export type NativeLibrary = NativeFunctions & {
  /** Address of scratch memory, 16-byte aligned; no kernel keeps anything in it between calls. */
  readonly scratch: number;
};

/** What emscripten puts on tfjs's module and its types leave out. */
type EmscriptenModule = {
  readonly HEAPU8: Uint8Array;
  readonly _malloc: (bytes: number) => number;
  readonly asm?: { readonly memory?: unknown };
  readonly wasmMemory?: unknown;
};

const SCRATCH_BYTES = 352 * 1024;

const libraries = new WeakMap<object, NativeLibrary | null>();
let enabled = true;

/**
 * The kernels bound to the memory of a backend, or null where they cannot be: no SIMD, or a build of tfjs that does
 * not show its memory. The composed kernels and tfjs's own then do the work.
 */
export function nativeLibrary(backend: BackendWasm): NativeLibrary | null {
  if (!enabled) return null;
  const module = backend.wasm as unknown as EmscriptenModule;
  let library = libraries.get(module);
  if (library === undefined) {
    library = load(module);
    libraries.set(module, library);
  }
  return library;
}

/** Runs `f` as where the native kernels cannot be loaded. For tests and comparisons. */
export function withoutNativeKernels<T>(f: () => T): T {
  enabled = false;
  try {
    return f();
  } finally {
    enabled = true;
  }
}

function load(module: EmscriptenModule): NativeLibrary | null {
  const memory = module.asm?.memory ?? module.wasmMemory;
  if (!(memory instanceof WebAssembly.Memory) || memory.buffer !== module.HEAPU8.buffer) return null;
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  try {
    const functions = instantiate(memory, shared);
    const scratch = (module._malloc(SCRATCH_BYTES + 16) + 15) & ~15;
    return { ...functions, scratch: scratch >>> 0 };
  } catch {
    return null; // WebAssembly without SIMD, or a memory with other limits
  }
}

/** @param shared whether the memory belongs to the threaded build; the import must then say so. */
export function instantiate(memory: WebAssembly.Memory, shared: boolean): NativeFunctions {
  const bytes = Uint8Array.from(atob(kernelBytes), (character) => character.charCodeAt(0));
  if (shared) bytes[sharedFlagPosition(bytes)] = 3;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return exports as unknown as NativeFunctions;
}

/** Where the limits of the imported memory begin: after "env", "memory" and the kind 2. */
function sharedFlagPosition(bytes: Uint8Array): number {
  const pattern = [3, ...'env'].map((c) => (typeof c === 'number' ? c : c.charCodeAt(0)));
  pattern.push(6, ...[...'memory'].map((c) => c.charCodeAt(0)), 2);
  const at = bytes.findIndex((_, i) => pattern.every((byte, j) => bytes[i + j] === byte));
  if (at < 0 || bytes[at + pattern.length] !== 1) throw new Error('the kernels import no bounded memory');
  return at + pattern.length;
}
