import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { kernelBytes } from './bytes';
import { MAX_TASKS, type Task, ThreadPool } from './thread-pool';

type NativeFunction = (...numbers: number[]) => void;

/** The functions of assembly/index.ts. */
export type NativeFunctionName =
  | 'adamw'
  | 'attention'
  | 'attentionGradient'
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
  | 'packFilter'
  | 'scatterAddPixels'
  | 'scatterAddRows'
  | 'select'
  | 'silu'
  | 'siluGradient'
  | 'softplus'
  | 'sumColumns'
  | 'sumRows'
  | 'tanh';

/** By name; their arguments are told in assembly/. Addresses and strides are in bytes. */
export type NativeFunctions = Readonly<Record<NativeFunctionName, NativeFunction>>;

/** The SIMD kernels of assembly/, running on the memory of one tfjs wasm instance. */
export class NativeLibrary {
  #pool: ThreadPool | null = null;

  constructor(
    readonly functions: NativeFunctions,
    private readonly module: WebAssembly.Module,
    private readonly memory: WebAssembly.Memory,
    private readonly allocator: Pick<EmscriptenModule, '_malloc' | '_free'>,
    /** Address of `SCRATCH_BYTES`, 16-byte aligned; nothing in it outlives a call. */
    readonly scratch: number,
  ) {}

  /** Threads that the tasks of `run` are spread over. */
  get threads(): number {
    return this.#pool?.threads ?? 1;
  }

  /** Whether other threads can see the memory. */
  get isShared(): boolean {
    return isShared(this.memory);
  }

  /** Takes this many threads from now on, the calling one included; on Node, where the memory is shared. */
  async useThreads(threads: number): Promise<void> {
    if (threads === this.threads) return;
    await this.#pool?.stop();
    this.#pool = null;
    while (this.#scratches.length < threads - 1) this.#scratches.push(allocateScratch(this.allocator, 0));
    if (threads === 1) return;
    const scratches = this.#scratches.slice(0, threads - 1);
    this.#pool = await ThreadPool.start(this.module, this.memory, this.functions, scratches);
  }

  /** Of the other threads; kept when they end, as tfjs may be disposed of by then. */
  readonly #scratches: number[] = [];

  /** Calls a function once for each task, in any order, the scratch memory as its last argument. */
  run(name: NativeFunctionName, tasks: readonly Task[]): void {
    if (this.#pool !== null && tasks.length > 1) {
      for (let i = 0; i < tasks.length; i += MAX_TASKS) {
        this.#pool.run(name, tasks.slice(i, i + MAX_TASKS), this.scratch);
      }
    } else for (const task of tasks) this.functions[name](...task, this.scratch);
  }

  /**
   * Bounds of the parts into which to cut `size` equal pieces of work, multiples of `step`: one part on one thread, else a
   * few a thread, so that one that is held up leaves some to the others, of at least `least` each.
   */
  parts(size: number, step = 1, least = step): (readonly [from: number, to: number])[] {
    if (size <= 0) return [];
    const most = this.threads === 1 ? 1 : Math.min(PARTS * this.threads, MAX_TASKS, Math.floor(size / least));
    const count = Math.max(1, most);
    const bounds = Array.from({ length: count + 1 }, (_, i) =>
      i === count ? size : Math.floor((i * size) / count / step) * step,
    );
    return bounds.slice(1).flatMap((to, i) => ((bounds[i] as number) < to ? [[bounds[i] as number, to] as const] : []));
  }

  /**
   * Calls a function of every element on `size` floats.
   * @param addresses that move with the elements
   * @param factors arguments after the size
   */
  runElements(
    name: NativeFunctionName,
    addresses: readonly number[],
    size: number,
    factors: readonly number[] = [],
  ): void {
    this.run(
      name,
      this.parts(size, 4, ELEMENTS).map(([from, to]) => [
        ...addresses.map((at) => at + 4 * from),
        to - from,
        ...factors,
      ]),
    );
  }

  /** Runs `f` with the address of `bytes` of memory that are its own meanwhile. */
  withMemory(bytes: number, f: (address: number) => void): void {
    const address = this.allocator._malloc(bytes) >>> 0;
    try {
      f(address);
    } finally {
      this.allocator._free(address);
    }
  }

  /** Sets `size` floats from an address on. */
  fill(address: number, size: number, value: number): void {
    new Float32Array(this.memory.buffer, address, size).fill(value);
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

/** Parts of a kernel's work per thread. */
const PARTS = 2;
/** Multiplications that pay for sharing them among threads. */
export const WORTH_SHARING = 4e5;
/** Floats that pay for sharing a simple pass over them among threads. */
const ELEMENTS = 32768;

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
  try {
    const kernels = compile(isShared(memory));
    const functions = instantiate(kernels, memory);
    return new NativeLibrary(functions, kernels, memory, module, allocateScratch(module, TABLE_BYTES));
  } catch {
    return null; // WebAssembly without SIMD, or a memory with other limits
  }
}

function allocateScratch(allocator: Pick<EmscriptenModule, '_malloc'>, more: number): number {
  const block = allocator._malloc(SCRATCH_BYTES + more + 16) >>> 0;
  return Math.ceil(block / 16) * 16;
}

function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
}

/** @param shared whether the memory belongs to the threaded build; the import must then say so. */
export function compile(shared: boolean): WebAssembly.Module {
  const bytes = Uint8Array.from(atob(kernelBytes), (character) => character.charCodeAt(0));
  if (shared) bytes[limitsPosition(bytes)] = 3; // was 1: has a maximum; 2: is shared
  return new WebAssembly.Module(bytes);
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): NativeFunctions {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
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
