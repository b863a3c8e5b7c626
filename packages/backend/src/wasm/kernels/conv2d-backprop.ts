import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor4D, TensorInfo } from '@tensorflow/tfjs-core';
import { Conv2DBackpropFilter, Conv2DBackpropInput, util } from '@tensorflow/tfjs-core';
import { assertFloat32, assertGradientShape, type ConvGeometry, convGeometry } from '../composed/conv-geometry';
import { composedConv2dBackpropFilter, composedConv2dBackpropInput } from '../composed/conv2d-backprop';
import { canConvolve, convolve } from '../native/convolve';
import { addressOf, type NativeLibrary, WORTH_SHARING } from '../native/library';
import { denseStrides, stridedCopy } from '../native/strided-copy';
import { asTensor, heapFloats, wasmKernel } from '../wasm-kernel';

/** One axis of the input gradient at the input positions `phase, phase + stride, ..`: a convolution of its own. */
type Phase = {
  readonly phase: number;
  /** Input positions of the phase. */
  readonly count: number;
  /** Taps of the filter that reach them: `first, first + stride, ..` */
  readonly first: number;
  readonly taps: number;
  /** Row of dy under the first tap at the first position; the next tap's is the row before. */
  readonly offset: number;
};

/**
 * dx[i] = sum over taps k of dy[(i + pad - k * dilation) / stride] w[k], where the division leaves no rest. Without dilation
 * i = phase + stride j meets the taps k = first + stride t, first = (phase + pad) mod stride, and dy[j + offset - t].
 */
function phasesOf(inSize: number, filter: number, stride: number, pad: number): Phase[] {
  return Array.from({ length: Math.min(stride, inSize) }, (_, phase) => {
    const first = (phase + pad) % stride;
    return {
      phase,
      count: Math.ceil((inSize - phase) / stride),
      first,
      taps: Math.max(0, Math.ceil((filter - first) / stride)),
      offset: (phase + pad - first) / stride,
    };
  });
}

/** Each phase is a convolution of dy with stride 1 and every other tap, whose pixels are then spread over dx. */
function nativeBackpropInput(
  native: NativeLibrary,
  backend: BackendWasm,
  dy: TensorInfo,
  filter: TensorInfo,
  g: ConvGeometry,
): TensorInfo {
  const shape = [g.batch, g.inHeight, g.inWidth, g.inChannels];
  const dx = backend.makeOutput(shape, 'float32');
  const [rowStep, columnStep, inStep, outStep] = denseStrides(filter.shape) as [number, number, number, number];
  const convolvePhase = (target: number, rows: Phase, columns: Phase) =>
    convolve(native, {
      target,
      source: addressOf(backend, dy),
      filter: addressOf(backend, filter) + 4 * (rows.first * rowStep + columns.first * columnStep),
      batch: g.batch,
      inHeight: g.outHeight,
      inWidth: g.outWidth,
      inChannels: g.outChannels,
      outHeight: rows.count,
      outWidth: columns.count,
      outChannels: g.inChannels,
      filterHeight: rows.taps,
      filterWidth: columns.taps,
      stride: [1, 1],
      dilation: [-1, -1],
      offset: [rows.offset, columns.offset],
      filterSteps: [4 * g.strideHeight * rowStep, 4 * g.strideWidth * columnStep, 4 * outStep, 4 * inStep],
    });
  const phases = phasesOf(g.inHeight, g.filterHeight, g.strideHeight, g.padTop).flatMap((rows) =>
    phasesOf(g.inWidth, g.filterWidth, g.strideWidth, g.padLeft).map((columns) => ({ rows, columns })),
  );
  const reached = phases.filter(({ rows, columns }) => rows.taps > 0 && columns.taps > 0);
  if (reached.length < phases.length) heapFloats(backend, dx).fill(0);
  const to = denseStrides(shape) as [number, number, number, number];
  for (const { rows, columns } of reached) {
    if (g.strideHeight * g.strideWidth === 1) {
      convolvePhase(addressOf(backend, dx), rows, columns);
      continue;
    }
    const partShape = [g.batch, rows.count, columns.count, g.inChannels];
    native.withMemory(4 * util.sizeFromShape(partShape), (part) => {
      convolvePhase(part, rows, columns);
      const target = addressOf(backend, dx) + 4 * (rows.phase * to[1] + columns.phase * to[2]);
      const steps = [to[0], to[1] * g.strideHeight, to[2] * g.strideWidth, to[3]];
      stridedCopy(native, target, part, partShape, denseStrides(partShape), steps);
    });
  }
  return dx;
}

export const conv2dBackpropInput = wasmKernel(Conv2DBackpropInput, ({ inputs, attrs, backend, native }) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  assertFloat32(Conv2DBackpropInput, { dy, filter });
  const g = convGeometry(Conv2DBackpropInput, attrs.inputShape as number[], filter.shape, attrs);
  assertGradientShape(Conv2DBackpropInput, dy, g);
  const isPlain = g.dilationHeight * g.dilationWidth === 1 && canConvolve(g.filterHeight, g.filterWidth);
  return native !== null && isPlain
    ? nativeBackpropInput(native, backend, dy, filter, g)
    : composedConv2dBackpropInput(asTensor<Tensor4D>(dy), asTensor<Tensor4D>(filter), g);
});

export const conv2dBackpropFilter = wasmKernel(Conv2DBackpropFilter, ({ inputs, attrs, backend, native }) => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  assertFloat32(Conv2DBackpropFilter, { x, dy });
  const filterShape = attrs.filterShape as number[];
  const g = convGeometry(Conv2DBackpropFilter, x.shape, filterShape, attrs);
  assertGradientShape(Conv2DBackpropFilter, dy, g);
  if (native === null) return composedConv2dBackpropFilter(asTensor<Tensor4D>(x), asTensor<Tensor4D>(dy), g);
  const dw = backend.makeOutput(filterShape, 'float32');
  native.withMemory(4 * g.inChannels, (zeros) => {
    native.fill(zeros, g.inChannels, 0);
    const numbers = [
      ...[x, dy, dw].map((tensor) => addressOf(backend, tensor)),
      ...[g.batch, g.inHeight, g.inWidth, g.inChannels, g.outHeight, g.outWidth, g.outChannels],
      ...[g.filterWidth, g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth],
      ...[g.padTop, g.padLeft, zeros],
    ];
    const panelChannels = g.outChannels <= 4 ? 8 : 4; // as the kernel lays its panels
    const panels = g.filterHeight * g.filterWidth * Math.ceil(g.inChannels / panelChannels);
    const panelWork = panelChannels * g.outChannels * g.batch * g.outHeight * g.outWidth;
    native.run(
      'convFilterGradient',
      native.parts(panels, 1, WORTH_SHARING / panelWork).map((part) => [...numbers, ...part]),
    );
  });
  return dw;
});
