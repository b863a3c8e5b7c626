import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { kernelBytes } from './bytes';

type NativeFunction = (...numbers: number[]) => void;

/** The functions of assembly/index.ts by name; their arguments are told there. Addresses and strides are in bytes. */
export type NativeFunctions = Readonly<
  Record<
    | 'adamw'
    | 'convFilterGradient'
    | 'convolve'
    | 'copyStrided'
    | 'erf'
    | 'exp'
    | 'extremeColumns'
    | 'extremeRows'
    | 'gatherPixels'
    | 'gatherRows'
    | 'gemm'
    | 'groupNorm'
    | 'groupNormGradient'
    | 'haarForward'
    | 'haarInverse'
    | 'leakyRelu'
    | 'log'
    | 'scatterAddPixels'
    | 'scatterAddRows'
    | 'select'
    | 'silu'
    | 'siluGradient'
    | 'softplus'
    | 'sumColumns'
    | 'sumRows'
    | 'tanh',
    NativeFunction
  >
>;

/** The SIMD kernels of assembly/, running on the memory of one tfjs wasm instance. */
export class NativeLibrary {
  constructor(
    readonly functions: NativeFunctions,
    private readonly memory: WebAssembly.Memory,
    private readonly allocator: Pick<EmscriptenModule, '_malloc' | '_free'>,
    /** Address of `SCRATCH_BYTES`, 16-byte aligned; nothing in it outlives a call. */
    readonly scratch: number,
  ) {}

  /** Runs `f` with the address of `bytes` of memory that are its own meanwhile. */
  withMemory(bytes: number, f: (address: number) => void): void {
    const address = this.allocator._malloc(bytes) >>> 0;
    try {
      f(address);
    } finally {
      this.allocator._free(address);
    }
  }

  /** Puts integers at the end of the scratch memory, where no kernel works, and gives their address. */
  table(numbers: readonly number[]): number {
    if (numbers.length * 4 > TABLE_BYTES) throw new RangeError(`a table of ${numbers.length} numbers does not fit`);
    const address = this.scratch + SCRATCH_BYTES;
    new Int32Array(this.memory.buffer, address, numbers.length).set(numbers);
    return address;
  }
}

/** What emscripten puts on tfjs's module and its types leave out. */
type EmscriptenModule = {
  readonly HEAPU8: Uint8Array;
  readonly _malloc: (bytes: number) => number;
  readonly _free: (address: number) => void;
  readonly asm?: { readonly memory?: unknown };
  readonly wasmMemory?: unknown;
};

/** What the kernels use, the largest being gemm and convFilterGradient. */
const SCRATCH_BYTES = 352 * 1024;
/** Tables of integers that go with a call. */
export const TABLE_BYTES = 64 * 1024;

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

/** Where the values of a tensor are in the memory of the backend; stays valid when the memory grows. */
export function addressOf(backend: BackendWasm, { dataId }: TensorInfo): number {
  return backend.dataIdMap.get(dataId).memoryOffset;
}

function load(module: EmscriptenModule): NativeLibrary | null {
  const memory = module.asm?.memory ?? module.wasmMemory;
  if (!(memory instanceof WebAssembly.Memory) || memory.buffer !== module.HEAPU8.buffer) return null;
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  try {
    const functions = instantiate(memory, shared);
    const block = module._malloc(SCRATCH_BYTES + TABLE_BYTES + 16) >>> 0;
    return new NativeLibrary(functions, memory, module, Math.ceil(block / 16) * 16);
  } catch {
    return null; // WebAssembly without SIMD, or a memory with other limits
  }
}

/** @param shared whether the memory belongs to the threaded build; the import must then say so. */
export function instantiate(memory: WebAssembly.Memory, shared: boolean): NativeFunctions {
  const bytes = Uint8Array.from(atob(kernelBytes), (character) => character.charCodeAt(0));
  if (shared) bytes[limitsPosition(bytes)] = 3; // was 1: has a maximum; 2: is shared
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return exports as unknown as NativeFunctions;
}

/** Where the limits of the imported memory are: after "env", "memory" and the kind 2. */
function limitsPosition(bytes: Uint8Array): number {
  const codes = (text: string) => [text.length, ...Array.from(text, (c) => c.charCodeAt(0))];
  const pattern = [...codes('env'), ...codes('memory'), 2];
  const at = bytes.findIndex((_, i) => pattern.every((byte, j) => bytes[i + j] === byte));
  if (at < 0 || bytes[at + pattern.length] !== 1) throw new Error('the kernels import no bounded memory');
  return at + pattern.length;
}
