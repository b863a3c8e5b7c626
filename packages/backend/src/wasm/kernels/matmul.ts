import type { TensorInfo } from '@tensorflow/tfjs-core';
import { BatchMatMul, broadcast_util, util } from '@tensorflow/tfjs-core';
import { addressOf } from '../native/library';
import { nativeKernel } from '../wasm-kernel';

/** Addresses of the matrices of a batch, whose outer dimensions may be broadcast, relative to the first, in matrices. */
function matrixOffsets(outer: readonly number[], result: readonly number[]): number[] {
  const missing = result.length - outer.length;
  const count = util.sizeFromShape([...result]);
  return Array.from({ length: count }, (_, index) => {
    let rest = index;
    let offset = 0;
    let step = 1;
    for (let d = result.length - 1; d >= 0; d--) {
      const size = result[d] as number;
      const at = rest % size;
      rest = Math.floor(rest / size);
      const own = d < missing ? 1 : (outer[d - missing] as number);
      if (own !== 1) offset += at * step;
      step *= own;
    }
    return offset;
  });
}

/** The constant difference of consecutive offsets, or null if there is none. */
function constantStep(offsets: readonly number[]): number | null {
  const step = offsets.length > 1 ? (offsets[1] as number) - (offsets[0] as number) : 0;
  return offsets.every((offset, i) => offset === i * step) ? step : null;
}

/** Any batch, either side transposed. `[.., m, k]` x `[.., k, n]` -> `[.., m, n]`. */
export const batchMatMul = nativeKernel(BatchMatMul, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return null;
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [inner, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  const [aOuter, bOuter] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const outer = broadcast_util.assertAndGetBroadcastShape(aOuter, bOuter);
  util.assert(
    k === inner,
    () =>
      `Error in matMul: inner shapes (${k}) and (${inner}) of Tensors with shapes ${a.shape} and ${b.shape} and ` +
      `transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
  const out = backend.makeOutput([...outer, m, n], 'float32');
  if (util.sizeFromShape(out.shape) === 0) return out;
  const [aAt, bAt, outAt] = [addressOf(backend, a), addressOf(backend, b), addressOf(backend, out)];
  if (k === 0) {
    backend.typedArrayFromHeap(out).fill(0);
    return out;
  }
  const [aSize, bSize, outSize] = [4 * m * k, 4 * k * n, 4 * m * n];
  const aSteps = transposeA ? [4, 4 * m] : [4 * k, 4];
  const bSteps = transposeB ? [4, 4 * k] : [4 * n, 4];
  const multiply = (batch: number, aFrom: number, aBatch: number, bFrom: number, bBatch: number, outFrom: number) =>
    native.functions.gemm(
      ...[batch, m, n, k, aFrom, aBatch, ...aSteps, bFrom, bBatch, ...bSteps],
      ...[outFrom, outSize, 4 * n, 4, native.scratch],
    );
  const aOffsets = matrixOffsets(aOuter, outer);
  const bOffsets = matrixOffsets(bOuter, outer);
  const [aStep, bStep] = [constantStep(aOffsets), constantStep(bOffsets)];
  if (aStep !== null && bStep !== null) {
    multiply(aOffsets.length, aAt, aStep * aSize, bAt, bStep * bSize, outAt);
  } else {
    for (const [i, aOffset] of aOffsets.entries()) {
      multiply(1, aAt + aOffset * aSize, 0, bAt + (bOffsets[i] as number) * bSize, 0, outAt + i * outSize);
    }
  }
  return out;
});
