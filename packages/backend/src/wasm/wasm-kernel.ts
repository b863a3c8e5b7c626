import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { KernelConfig, NamedAttrMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { engine, Tensor as TensorClass } from '@tensorflow/tfjs-core';

/** Arguments of a kernel, named instead of looked up: tfjs types inputs as possibly absent. */
export type WasmKernelArgs = {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attrs: NamedAttrMap;
  readonly backend: BackendWasm;
};

export type WasmKernelFunction = (args: WasmKernelArgs) => TensorInfo | TensorInfo[];

/** A kernel of the wasm backend as `tf.registerKernel` wants it. */
export function wasmKernel(kernelName: string, kernel: WasmKernelFunction): KernelConfig {
  return {
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) =>
      kernel({ inputs: inputs as Record<string, TensorInfo>, attrs: attrs ?? {}, backend: backend as BackendWasm }),
  };
}

/** The tensor that an input of a kernel is when the engine calls the kernel. */
export function asTensor<T extends Tensor>(info: TensorInfo): T {
  return (info instanceof TensorClass ? info : engine().makeTensorFromTensorInfo(info)) as T;
}

/** The values of a float32 tensor in the memory of the backend; valid until the next allocation. */
export function heapFloats(backend: BackendWasm, info: TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(info) as Float32Array;
}
