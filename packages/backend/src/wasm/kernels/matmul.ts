import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { _FusedMatMul, BatchMatMul, broadcast_util, util } from '@tensorflow/tfjs-core';
import { addressOf, type NativeLibrary } from '../native/library';
import { multiply } from '../native/multiply';
import { denseStrides, stridedCopy } from '../native/strided-copy';
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

type Transposes = { readonly transposeA: boolean; readonly transposeB: boolean };

/** `[.., m, k]` x `[.., k, n]` + bias `[n]` -> `[.., m, n]` */
function product(
  native: NativeLibrary,
  backend: BackendWasm,
  a: TensorInfo,
  b: TensorInfo,
  bias: TensorInfo | undefined,
  { transposeA, transposeB }: Transposes,
): TensorInfo {
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
  if (bias !== undefined) {
    const flat = [util.sizeFromShape(outer) * m, n];
    stridedCopy(native, outAt, addressOf(backend, bias), flat, [0, 1], denseStrides(flat));
  }
  if (k === 0) {
    if (bias === undefined) backend.typedArrayFromHeap(out).fill(0);
    return out;
  }
  const [aSize, bSize, outSize] = [4 * m * k, 4 * k * n, 4 * m * n];
  const [aRow, aColumn] = transposeA ? [4, 4 * m] : [4 * k, 4];
  const [bRow, bColumn] = transposeB ? [4, 4 * k] : [4 * n, 4];
  const multiplyBatch = (batch: number, aFrom: number, aBatch: number, bFrom: number, bBatch: number, c: number) =>
    multiply(native, {
      ...{ batch, m, n, k, accumulate: bias !== undefined },
      a: { at: aFrom, batch: aBatch, row: aRow, column: aColumn },
      b: { at: bFrom, batch: bBatch, row: bRow, column: bColumn },
      c: { at: c, batch: outSize, row: 4 * n, column: 4 },
    });
  const aOffsets = matrixOffsets(aOuter, outer);
  const bOffsets = matrixOffsets(bOuter, outer);
  const [aStep, bStep] = [constantStep(aOffsets), constantStep(bOffsets)];
  if (aStep !== null && bStep !== null) {
    multiplyBatch(aOffsets.length, aAt, aStep * aSize, bAt, bStep * bSize, outAt);
  } else {
    for (const [i, aOffset] of aOffsets.entries()) {
      multiplyBatch(1, aAt + aOffset * aSize, 0, bAt + (bOffsets[i] as number) * bSize, 0, outAt + i * outSize);
    }
  }
  return out;
}

/** Any batch, either side transposed. `[.., m, k]` x `[.., k, n]` -> `[.., m, n]`. */
export const batchMatMul = nativeKernel(BatchMatMul, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return null;
  return product(native, backend, a, b, undefined, attrs as Transposes);
});

/** `tf.fused.matMul` without an activation */
export const fusedMatMul = nativeKernel(_FusedMatMul, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { a, b, bias } = inputs as { a: TensorInfo; b: TensorInfo; bias?: TensorInfo };
  const transposes = attrs as unknown as Transposes & { readonly activation: string };
  const n = b.shape.at(transposes.transposeB ? -2 : -1);
  const plainBias = bias == null || (bias.dtype === 'float32' && bias.shape.join() === `${n}`);
  const isFloat = a.dtype === 'float32' && b.dtype === 'float32';
  if (!isFloat || transposes.activation !== 'linear' || !plainBias) return null;
  return product(native, backend, a, b, bias ?? undefined, transposes);
});
