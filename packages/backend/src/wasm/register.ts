import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { KernelConfig } from '@tensorflow/tfjs-core';
import { engine, getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import { attention, attentionGrad, selfAttention, selfAttentionGrad } from './kernels/attention';
import { concat, pack } from './kernels/concat';
import { conv2d, fusedConv2d } from './kernels/conv2d';
import { conv2dBackpropFilter, conv2dBackpropInput } from './kernels/conv2d-backprop';
import { depthwiseConv2dBackpropFilter, depthwiseConv2dBackpropInput } from './kernels/depthwise-backprop';
import { adamw, groupNorm, groupNormGrad, haarDwt2d, haarIdwt2d, silu, siluGrad } from './kernels/fused';
import { gatherV2, unsortedSegmentSum } from './kernels/gather';
import { identity } from './kernels/identity';
import { batchMatMul, fusedMatMul } from './kernels/matmul';
import { max, mean, min, sum } from './kernels/reduce';
import { resizeNearestNeighbor, resizeNearestNeighborGrad } from './kernels/resize-nearest';
import { select } from './kernels/select';
import { slice, splitV, unpack } from './kernels/slice';
import { tile } from './kernels/tile';
import { depthToSpace, reverse, transpose } from './kernels/transpose';
import { erf, exp, leakyRelu, log, softplus, tanh } from './kernels/unary';
import { nativeLibrary } from './native/library';
import { kernelConfig, type WasmKernel } from './wasm-kernel';

/** What the wasm backend of tfjs lacks. */
const MISSING: readonly WasmKernel[] = [
  conv2dBackpropFilter,
  depthwiseConv2dBackpropInput,
  depthwiseConv2dBackpropFilter,
  unsortedSegmentSum,
];

/** What it has, but slowly. */
const FASTER: readonly WasmKernel[] = [
  ...[conv2d, fusedConv2d, conv2dBackpropInput, batchMatMul, fusedMatMul],
  ...[identity, transpose, reverse, depthToSpace, slice, splitV, unpack, concat, pack, tile, gatherV2],
  ...[resizeNearestNeighbor, resizeNearestNeighborGrad, select],
  ...[sum, mean, max, min],
  ...[exp, log, tanh, erf, softplus, leakyRelu],
];

/** What other packages ask for by name and compose where it is missing, as it must be without the native kernels. */
const FUSED: readonly WasmKernel[] = [
  ...[groupNorm, groupNormGrad, silu, siluGrad, adamw, haarDwt2d, haarIdwt2d],
  ...[attention, attentionGrad, selfAttention, selfAttentionGrad],
];

/** What this module registered, to know it again. */
const ours = new WeakSet<KernelConfig>();

/**
 * Registers on tfjs's `wasm` backend the kernels that training needs and tfjs lacks or has only slowly.
 * May be called again at any time. Import `@tensorflow/tfjs-backend-wasm` first, or its own kernels replace these;
 * set the backend first, or the fused kernels (group normalization, SiLU, attention, AdamW, Haar) stay compositions.
 * @throws Error if the wasm backend's kernels are not there yet.
 */
export function registerWasmTrainingKernels(): void {
  if (getKernel('Conv2D', 'wasm') == null) {
    throw new Error(
      'registerWasmTrainingKernels: import @tensorflow/tfjs-backend-wasm first, its kernels are not registered',
    );
  }
  const backend = engine().registry.wasm as BackendWasm | undefined;
  const hasNative = backend !== undefined && nativeLibrary(backend) !== null;
  for (const kernel of [...MISSING, ...FASTER, ...(hasNative ? FUSED : [])]) {
    const present: KernelConfig | undefined = getKernel(kernel.kernelName, 'wasm');
    if (present !== undefined && ours.has(present)) continue;
    if (present !== undefined) unregisterKernel(kernel.kernelName, 'wasm');
    const config = kernelConfig(kernel, present);
    ours.add(config);
    registerKernel(config);
  }
}
