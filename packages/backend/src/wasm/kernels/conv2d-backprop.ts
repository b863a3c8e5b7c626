import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor4D, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { assertFloat32, assertGradientShape, type ConvGeometry, convGeometry } from '../composed/conv-geometry';
import { composedConv2dBackpropFilter, composedConv2dBackpropInput } from '../composed/conv2d-backprop';
import { addressOf, type NativeLibrary } from '../native/library';
import { denseStrides, stridedCopy } from '../native/strided-copy';
import { asTensor, heapFloats, wasmKernel } from '../wasm-kernel';

/** One axis of the input gradient at the input positions `phase, phase + stride, ...`: a convolution of its own. */
type Phase = {
  /** Input positions of the phase. */
  readonly count: number;
  /** Taps of the filter that reach them: `first, first + stride, ...` */
  readonly first: number;
  readonly taps: number;
  /** Rows of zeros before dy (negative: rows of dy to leave out) in the convolution with the turned taps. */
  readonly before: number;
  readonly after: number;
};

/**
 * dx[i] = sum over taps k of dy[(i + pad - k) / stride] w[k], where the division leaves no rest. For i = phase + stride j
 * these are the taps k = first + stride t with first = (phase + pad) mod stride, and dy[j + (phase + pad - first) / stride - t].
 */
function phaseOf(phase: number, inSize: number, outSize: number, filter: number, stride: number, pad: number): Phase {
  const count = Math.max(0, Math.ceil((inSize - phase) / stride));
  const first = (phase + pad) % stride;
  const taps = Math.max(0, Math.ceil((filter - first) / stride));
  const shift = (phase + pad - first) / stride;
  const before = taps - 1 - shift;
  return { count, first, taps, before, after: count + taps - 1 - before - outSize };
}

/** Whether any tap of a phase meets any row of dy; where none does the gradient is zero. */
function meets({ taps, before, after }: Phase, outSize: number): boolean {
  return taps > 0 && Math.max(0, -before) + Math.max(0, -after) < outSize;
}

/** The taps of one phase, turned by 180 degrees, channels swapped. `[tapsH, tapsW, outC, inC]`, owned by the caller. */
function turnedTaps(
  native: NativeLibrary,
  backend: BackendWasm,
  filter: TensorInfo,
  rows: Phase,
  columns: Phase,
  g: ConvGeometry,
): Tensor4D {
  const shape = [rows.taps, columns.taps, g.outChannels, g.inChannels];
  const [s0, s1, s2, s3] = denseStrides(filter.shape) as [number, number, number, number];
  const lastRow = rows.first + (rows.taps - 1) * g.strideHeight;
  const lastColumn = columns.first + (columns.taps - 1) * g.strideWidth;
  const turned = backend.makeOutput(shape, 'float32');
  const source = addressOf(backend, filter) + 4 * (lastRow * s0 + lastColumn * s1);
  const steps = [-s0 * g.strideHeight, -s1 * g.strideWidth, s3, s2];
  stridedCopy(native, addressOf(backend, turned), source, shape, steps, denseStrides(shape));
  return tf.engine().makeTensorFromTensorInfo(turned) as Tensor4D;
}

/** dy with `rows.before` rows of zeros before it, and so on; negative counts cut. */
function padded(dy: Tensor4D, rows: Phase, columns: Phase): Tensor4D {
  const cuts = [rows.before, rows.after, columns.before, columns.after].map((count) => Math.max(0, -count));
  if (cuts.every((count) => count === 0)) return dy;
  const [top, bottom, left, right] = cuts as [number, number, number, number];
  const [n, h, w, c] = dy.shape;
  return tf.slice(dy, [0, top, left, 0], [n, h - top - bottom, w - left - right, c]);
}

/** Every phase is a forward convolution with stride 1, for which tfjs has fast kernels; its pixels are then spread. */
function phasedBackpropInput(
  native: NativeLibrary,
  backend: BackendWasm,
  dy: Tensor4D,
  filter: TensorInfo,
  g: ConvGeometry,
): TensorInfo {
  const shape = [g.batch, g.inHeight, g.inWidth, g.inChannels];
  const convolved = (rows: Phase, columns: Phase): Tensor4D =>
    tf.conv2d(padded(dy, rows, columns), turnedTaps(native, backend, filter, rows, columns, g), 1, [
      [0, 0],
      [Math.max(0, rows.before), Math.max(0, rows.after)],
      [Math.max(0, columns.before), Math.max(0, columns.after)],
      [0, 0],
    ]);
  const rowPhase = (p: number) => phaseOf(p, g.inHeight, g.outHeight, g.filterHeight, g.strideHeight, g.padTop);
  const columnPhase = (p: number) => phaseOf(p, g.inWidth, g.outWidth, g.filterWidth, g.strideWidth, g.padLeft);
  const phases = Array.from({ length: Math.min(g.strideHeight, g.inHeight) }, (_, row) => row).flatMap((row) =>
    Array.from({ length: Math.min(g.strideWidth, g.inWidth) }, (_, column) => ({
      row,
      column,
      rows: rowPhase(row),
      columns: columnPhase(column),
    })),
  );
  const reached = phases.filter(({ rows, columns }) => meets(rows, g.outHeight) && meets(columns, g.outWidth));
  const [only] = reached;
  if (only !== undefined && phases.length === 1 && g.strideHeight * g.strideWidth === 1) {
    return tf.tidy(() => convolved(only.rows, only.columns));
  }

  const dx = backend.makeOutput(shape, 'float32');
  if (reached.length < phases.length) heapFloats(backend, dx).fill(0);
  const to = denseStrides(shape) as [number, number, number, number];
  for (const { row, column, rows, columns } of reached) {
    const part = tf.tidy(() => convolved(rows, columns));
    stridedCopy(
      native,
      addressOf(backend, dx) + 4 * (row * to[1] + column * to[2]),
      addressOf(backend, part),
      part.shape,
      denseStrides(part.shape),
      [to[0], to[1] * g.strideHeight, to[2] * g.strideWidth, to[3]],
    );
    part.dispose();
  }
  return dx;
}

/** A 1 x 1 filter with stride 1: dx = dy W^T over all pixels. */
function pointwiseBackpropInput(
  { functions, scratch }: NativeLibrary,
  backend: BackendWasm,
  dy: TensorInfo,
  filter: TensorInfo,
  g: ConvGeometry,
): TensorInfo {
  const dx = backend.makeOutput([g.batch, g.inHeight, g.inWidth, g.inChannels], 'float32');
  const [inRow, outRow] = [4 * g.inChannels, 4 * g.outChannels];
  const product = [1, g.batch * g.inHeight * g.inWidth, g.inChannels, g.outChannels];
  const a = [addressOf(backend, dy), 0, outRow, 4];
  const b = [addressOf(backend, filter), 0, 4, outRow];
  functions.gemm(...product, ...a, ...b, addressOf(backend, dx), 0, inRow, 4, scratch);
  return dx;
}

export const conv2dBackpropInput = wasmKernel(tf.Conv2DBackpropInput, ({ inputs, attrs, backend, native }) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  assertFloat32(tf.Conv2DBackpropInput, { dy, filter });
  const g = convGeometry(tf.Conv2DBackpropInput, attrs.inputShape as number[], filter.shape, attrs);
  assertGradientShape(tf.Conv2DBackpropInput, dy, g);
  if (native === null || g.dilationHeight * g.dilationWidth !== 1) {
    return composedConv2dBackpropInput(asTensor<Tensor4D>(dy), asTensor<Tensor4D>(filter), g);
  }
  const pointwise = g.filterHeight * g.filterWidth * g.strideHeight * g.strideWidth === 1 && g.padTop + g.padLeft === 0;
  if (pointwise && g.outHeight === g.inHeight && g.outWidth === g.inWidth) {
    return pointwiseBackpropInput(native, backend, dy, filter, g);
  }
  return phasedBackpropInput(native, backend, asTensor<Tensor4D>(dy), filter, g);
});

export const conv2dBackpropFilter = wasmKernel(tf.Conv2DBackpropFilter, ({ inputs, attrs, backend, native }) => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  assertFloat32(tf.Conv2DBackpropFilter, { x, dy });
  const filterShape = attrs.filterShape as number[];
  const g = convGeometry(tf.Conv2DBackpropFilter, x.shape, filterShape, attrs);
  assertGradientShape(tf.Conv2DBackpropFilter, dy, g);
  if (native === null) return composedConv2dBackpropFilter(asTensor<Tensor4D>(x), asTensor<Tensor4D>(dy), g);
  const dw = backend.makeOutput(filterShape, 'float32');
  native.functions.convFilterGradient(
    addressOf(backend, x),
    addressOf(backend, dy),
    addressOf(backend, dw),
    ...[g.batch, g.inHeight, g.inWidth, g.inChannels, g.outHeight, g.outWidth, g.outChannels],
    ...[g.filterHeight, g.filterWidth, g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth],
    ...[g.padTop, g.padLeft, native.scratch],
  );
  return dw;
});
