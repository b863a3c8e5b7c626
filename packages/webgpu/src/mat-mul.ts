import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { _FusedMatMul, BatchMatMul, util } from '@tensorflow/tfjs-core';
import { epilogueOf } from './conv2d';
import type { Epilogue, Gemm } from './gemm/gemm';
import { product } from './gemm/product';
import type { WebGPUKernel } from './program';

/** The product of two tensors of matrices, or null where their batches are spread in another way than one to one or all. */
function matMulGemm(a: TensorInfo, b: TensorInfo, attrs: NamedAttrMap, epilogue: Epilogue = {}): Gemm | null {
  if ([a, b].some(({ dtype, shape }) => dtype !== 'float32' || shape.length < 2 || shape.includes(0))) return null;
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [n, kOfB] = transposeB ? [rowsB, columnsB] : [columnsB, rowsB];
  if (k !== kOfB) return null; // tfjs says so
  const [outerA, outerB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const [batchesA, batchesB] = [util.sizeFromShape(outerA), util.sizeFromShape(outerB)];
  const isSame = util.arraysEqual(outerA, outerB);
  if (!isSame && batchesA !== 1 && batchesB !== 1) return null;
  const outer = isSame || outerA.length === outerB.length ? (batchesA > batchesB ? outerA : outerB) : null;
  if (outer === null) return null;
  const batches = Math.max(batchesA, batchesB);
  // Rows of one matrix after another are the rows of one tall matrix.
  const isTall = batchesB === 1 && !transposeA;
  return {
    left: { tensor: a, batchStride: isTall || batchesA === 1 ? 0 : m * k, layout: transposeA ? 'columns' : 'rows' },
    right: {
      tensor: b,
      batchStride: batchesB === 1 ? 0 : k * n,
      layout: transposeB ? 'columns' : 'rows',
      channels: k,
    },
    m: isTall ? m * batches : m,
    n,
    k,
    batches: isTall ? 1 : batches,
    outShape: [...outer, m, n],
    epilogue,
  };
}

/** {a, b} with {transposeA, transposeB} -> a b */
export const batchMatMul: WebGPUKernel = {
  kernelName: BatchMatMul,
  run: ({ inputs, attrs, backend }) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const gemm = matMulGemm(a, b, attrs);
    return gemm && product(backend, gemm, { scaled: 'both' });
  },
};

/** {a, b, bias?} with {transposeA, transposeB, activation} -> activation(a b + bias). A layer, whose values need no scaling. */
export const fusedMatMul: WebGPUKernel = {
  kernelName: _FusedMatMul,
  run: ({ inputs, attrs, backend }) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const columns = b.shape.at(attrs.transposeB ? -2 : -1) as number;
    const epilogue = epilogueOf(inputs, attrs, columns);
    const gemm = epilogue && matMulGemm(a, b, attrs, epilogue);
    return gemm && product(backend, gemm, { scaled: 'none' });
  },
};
