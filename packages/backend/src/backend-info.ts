/** The backends that `useBackend` can start. */
export type BackendName = 'webgpu' | 'cuda' | 'wasm' | 'cpu';

export type BackendOptions = {
  /**
   * Whether WebGPU may run on a software adapter (SwiftShader, lavapipe): right, but slow. Default: the environment
   * variable `SD_ALLOW_SOFTWARE_WEBGPU` set to `1`, else false.
   */
  readonly allowSoftware?: boolean;
  /**
   * Where the `.wasm` files of `@tensorflow/tfjs-backend-wasm` lie: a folder (ending in `/`) or one address per file.
   * On Node the package's own folder is found without it; a browser bundle that does not serve them beside its script
   * needs it.
   */
  readonly wasmPaths?: string | Readonly<Record<string, string>>;
  /**
   * On Node, how many threads WebAssembly works on, the calling one included: 1 to the cores of the machine. Default: the
   * environment variable `SD_WASM_THREADS`, else 1. A backend that was started on one thread is replaced for more, and the
   * tensors on it are gone; later the number may change at any time. The results are the same bits on any number.
   */
  readonly threads?: number;
};

/** What was started, and why. */
export type BackendInfo = {
  readonly name: BackendName;
  /** The device in words, such as `NVIDIA H200 (Vulkan)` or `1 thread, SIMD`. */
  readonly device: string;
  /** Whether every gradient that the `@sd` models need runs on it. */
  readonly canTrain: boolean;
  /** One line: the choice, and why the others were passed over. */
  readonly explanation: string;
  /** WebGPU only: settles with the reason when the device is lost; every later operation on it fails. */
  readonly lost?: Promise<string>;
};

/** What starting one backend gives: its info without the explanation, which only the chooser knows. */
export type StartedBackend = Omit<BackendInfo, 'explanation'>;
