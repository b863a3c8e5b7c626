import type { NamedAttrMap, Tensor4D, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { backend_util, Conv2DBackpropFilter } from '@tensorflow/tfjs-core';
import type { WebGPUKernel } from './program';

type Shape4 = [number, number, number, number];
type ConvGeometry = ReturnType<typeof convGeometry>;

/** The numbers of one 2-D convolution, NHWC and HWIO, whatever its padding was called. */
export function convGeometry(inShape: readonly number[], filterShape: readonly number[], attrs: NamedAttrMap) {
  const { strides, pad, dimRoundingMode } = attrs as unknown as {
    strides: number | [number, number];
    pad: Parameters<typeof backend_util.computeConv2DInfo>[4];
    dimRoundingMode?: 'floor' | 'round' | 'ceil';
  };
  const dilations = 1; // tfjs has no gradient of dilated convolutions
  const info = backend_util.computeConv2DInfo(
    ...([inShape as Shape4, filterShape as Shape4, strides, dilations, pad, dimRoundingMode] as const),
  );
  return { ...info, batch: info.batchSize, padTop: info.padInfo.top, padLeft: info.padInfo.left };
}

/** Values of the unfolded input that are held at once; longer batches are taken in parts. */
const MAX_UNFOLDED = 2 ** 26;
/** Tiles of 32 x 32 results that keep a large GPU busy. */
const TILES = 512;
const TILE = 32;
/** Terms of one product that are summed in one go at least. */
const MIN_TERMS = 64;

/** The largest divisor of `n` that is at most `limit`. */
function divisorUpTo(n: number, limit: number): number {
  for (let divisor = Math.min(n, Math.max(1, Math.floor(limit))); divisor > 1; divisor--) {
    if (n % divisor === 0) return divisor;
  }
  return 1;
}

/** Into how many parts the sum over positions is cut, so that enough tiles are computed side by side. */
function partsOf(positions: number, rows: number, columns: number): number {
  const tiles = Math.ceil(rows / TILE) * Math.ceil(columns / TILE);
  return divisorUpTo(positions, Math.min(TILES / tiles, positions / MIN_TERMS));
}

/** What each tap of the filter sees of the input, side by side. `[N, outH, outW, kH kW inC]` */
function unfold(x: Tensor4D, g: ConvGeometry): Tensor4D {
  const reach = (out: number, stride: number, taps: number, dilation: number) =>
    (out - 1) * stride + (taps - 1) * dilation + 1;
  const height = reach(g.outHeight, g.strideHeight, g.filterHeight, g.dilationHeight);
  const width = reach(g.outWidth, g.strideWidth, g.filterWidth, g.dilationWidth);
  const after = (needed: number, size: number, before: number) => Math.max(0, needed - size - before);
  const padded = tf.pad(x, [
    [0, 0],
    [g.padTop, after(height, g.inHeight, g.padTop)],
    [g.padLeft, after(width, g.inWidth, g.padLeft)],
    [0, 0],
  ]);
  const [n, c] = [x.shape[0], g.inChannels];
  const taps: Tensor4D[] = [];
  for (let row = 0; row < g.filterHeight; row++) {
    for (let column = 0; column < g.filterWidth; column++) {
      const begin = [0, row * g.dilationHeight, column * g.dilationWidth, 0];
      const rows = (g.outHeight - 1) * g.strideHeight + 1;
      const columns = (g.outWidth - 1) * g.strideWidth + 1;
      const window = tf.slice(padded, begin, [n, rows, columns, c]);
      const strides = [1, g.strideHeight, g.strideWidth, 1];
      const isDense = g.strideHeight * g.strideWidth === 1;
      taps.push((isDense ? window : tf.stridedSlice(window, [0, 0, 0, 0], window.shape, strides)) as Tensor4D);
    }
  }
  return taps.length === 1 ? (taps[0] as Tensor4D) : tf.concat(taps, 3);
}

/** dW = unfold(x)^T dy over all positions of the images, the sum cut into parts that are computed side by side. */
function filterGradient(x: Tensor4D, dy: Tensor4D, g: ConvGeometry): Tensor4D {
  const positions = x.shape[0] * g.outHeight * g.outWidth;
  const rows = g.filterHeight * g.filterWidth * g.inChannels;
  const parts = partsOf(positions, rows, g.outChannels);
  const left = tf.reshape(unfold(x, g), [parts, positions / parts, rows]);
  const right = tf.reshape(dy, [parts, positions / parts, g.outChannels]);
  const products = tf.matMul(left, right, true); // [parts, kH kW inC, outC]
  const shape: [number, number, number, number] = [g.filterHeight, g.filterWidth, g.inChannels, g.outChannels];
  return tf.reshape(parts === 1 ? products : tf.sum(products, 0), shape);
}

/**
 * Gradient of a convolution with respect to its filter as one product of matrices. tfjs's kernel computes each value of
 * the filter in one thread that walks over all positions of the batch: a small filter leaves a GPU idle.
 * @param x `[N, inH, inW, inC]`. Borrowed.
 * @param dy `[N, outH, outW, outC]`. Borrowed.
 * @param maxUnfolded values of the unfolded input to hold at once.
 * @returns `[kH, kW, inC, outC]`. Owned by the caller.
 */
export function unfoldedConv2dBackpropFilter(
  x: Tensor4D,
  dy: Tensor4D,
  g: ConvGeometry,
  maxUnfolded = MAX_UNFOLDED,
): Tensor4D {
  return tf.tidy(() => {
    const perImage = g.outHeight * g.outWidth * g.filterHeight * g.filterWidth * g.inChannels;
    const atOnce = Math.max(1, Math.min(g.batch, Math.floor(maxUnfolded / perImage)));
    if (atOnce === g.batch) return filterGradient(x, dy, g);
    const sums: Tensor4D[] = [];
    for (let first = 0; first < g.batch; first += atOnce) {
      const count = Math.min(atOnce, g.batch - first);
      const [xPart, dyPart] = [x, dy].map((tensor) =>
        tf.slice(tensor, [first, 0, 0, 0], [count, ...tensor.shape.slice(1)] as [number, number, number, number]),
      ) as [Tensor4D, Tensor4D];
      sums.push(filterGradient(xPart, dyPart, { ...g, batch: count }));
    }
    return tf.addN(sums);
  });
}

/** {x, dy} with the convolution's attributes -> dFilter. The layout NCHW is left to tfjs. */
export const conv2dBackpropFilter: WebGPUKernel = {
  kernelName: Conv2DBackpropFilter,
  run: ({ inputs, attrs }) => {
    if (attrs.dataFormat === 'NCHW') return null;
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    const geometry = convGeometry(x.shape, attrs.filterShape as number[], attrs);
    return unfoldedConv2dBackpropFilter(asTensor(x), asTensor(dy), geometry);
  },
};

/** The tensor that an input of a kernel is when the engine calls the kernel. */
function asTensor(info: TensorInfo): Tensor4D {
  return (info instanceof tf.Tensor ? info : tf.engine().makeTensorFromTensorInfo(info)) as Tensor4D;
}
