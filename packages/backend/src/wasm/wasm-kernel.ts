import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { KernelConfig, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { engine, Tensor } from '@tensorflow/tfjs-core';
import { type NativeLibrary, nativeLibrary } from './native/library';

/** Arguments of a kernel, named instead of looked up: tfjs types inputs as possibly absent. */
export type WasmKernelArgs = {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attrs: NamedAttrMap;
  readonly backend: BackendWasm;
  /** The SIMD kernels, where they could be loaded. */
  readonly native: NativeLibrary | null;
};

/** A kernel for the wasm backend; null leaves this call to the kernel of the same name that tfjs registered. */
export type WasmKernel = {
  readonly kernelName: string;
  readonly run: (args: WasmKernelArgs) => TensorInfo | TensorInfo[] | null;
};

export function wasmKernel(kernelName: string, run: WasmKernel['run']): WasmKernel {
  return { kernelName, run };
}

/** A kernel that is ours only where the SIMD kernels could be loaded. */
export function nativeKernel(
  kernelName: string,
  run: (args: WasmKernelArgs & { readonly native: NativeLibrary }) => TensorInfo | TensorInfo[] | null,
): WasmKernel {
  return { kernelName, run: (args) => (args.native === null ? null : run({ ...args, native: args.native })) };
}

/** What `tf.registerKernel` wants. @param stock the kernel that tfjs registered under the name, if any */
export function kernelConfig({ kernelName, run }: WasmKernel, stock: KernelConfig | undefined): KernelConfig {
  return {
    kernelName,
    backendName: 'wasm',
    setupFunc: stock?.setupFunc,
    disposeFunc: stock?.disposeFunc,
    kernelFunc: (args) => {
      const backend = args.backend as BackendWasm;
      const inputs = args.inputs as Record<string, TensorInfo>;
      const result = run({ inputs, attrs: args.attrs ?? {}, backend, native: nativeLibrary(backend) });
      if (result !== null) return result;
      if (stock === undefined) throw new Error(`${kernelName}: the wasm backend cannot run this case`);
      return stock.kernelFunc(args);
    },
  };
}

/** Whether a tensor's elements are words that the copying kernels move: float32 or int32. */
export function hasFourByteElements({ dtype }: TensorInfo): boolean {
  return dtype === 'float32' || dtype === 'int32';
}

/** The tensor that an input of a kernel is when the engine calls the kernel. */
export function asTensor<T extends Tensor>(info: TensorInfo): T {
  return (info instanceof Tensor ? info : engine().makeTensorFromTensorInfo(info)) as T;
}

/** The values of a float32 tensor in the memory of the backend; valid until the next allocation. */
export function heapFloats(backend: BackendWasm, info: TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(info) as Float32Array;
}
