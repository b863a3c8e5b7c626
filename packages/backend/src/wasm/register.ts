import type { KernelConfig } from '@tensorflow/tfjs-core';
import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import { conv2dBackpropFilter, conv2dBackpropInput } from './kernels/conv2d-backprop';
import { depthwiseConv2dBackpropFilter, depthwiseConv2dBackpropInput } from './kernels/depthwise-backprop';
import { batchMatMul } from './kernels/matmul';
import { unsortedSegmentSum } from './kernels/unsorted-segment-sum';
import { kernelConfig, type WasmKernel } from './wasm-kernel';

const KERNELS: readonly WasmKernel[] = [
  conv2dBackpropInput,
  conv2dBackpropFilter,
  depthwiseConv2dBackpropInput,
  depthwiseConv2dBackpropFilter,
  unsortedSegmentSum,
  batchMatMul,
];

/** What this module registered, to know it again. */
const ours = new WeakSet<KernelConfig>();

/**
 * Registers on tfjs's `wasm` backend the kernels that training needs and tfjs lacks or has only slowly.
 * May be called again at any time; import `@tensorflow/tfjs-backend-wasm` first, or its own kernels replace these.
 * @throws Error if the wasm backend's kernels are not there yet.
 */
export function registerWasmTrainingKernels(): void {
  if (getKernel('Conv2D', 'wasm') == null) {
    throw new Error(
      'registerWasmTrainingKernels: import @tensorflow/tfjs-backend-wasm first, its kernels are not registered',
    );
  }
  for (const kernel of KERNELS) {
    const present: KernelConfig | undefined = getKernel(kernel.kernelName, 'wasm');
    if (present !== undefined && ours.has(present)) continue;
    if (present !== undefined) unregisterKernel(kernel.kernelName, 'wasm');
    const config = kernelConfig(kernel, present);
    ours.add(config);
    registerKernel(config);
  }
}
