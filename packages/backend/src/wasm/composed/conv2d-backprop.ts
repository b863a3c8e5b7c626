import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ConvGeometry } from './conv-geometry';

/** Products summed in one convolution; longer sums are cut, so that float32 keeps 1e-5 of the result. */
const MAX_TERMS = 4096;

/** `size` rows or columns of axis 1 or 2, starting at `begin`; outside the tensor is zero. */
function window(x: Tensor4D, axis: 1 | 2, begin: number, size: number): Tensor4D {
  const extent = x.shape[axis];
  const before = Math.max(0, -begin);
  const after = Math.max(0, begin + size - extent);
  const from = Math.max(0, begin);
  const kept = size - before - after;
  if (kept <= 0) {
    const shape = [...x.shape] as [number, number, number, number];
    shape[axis] = size;
    return tf.zeros(shape);
  }
  const start = [0, 0, 0, 0];
  start[axis] = from;
  const extents = [...x.shape];
  extents[axis] = kept;
  const paddings = [0, 1, 2, 3].map((d) => (d === axis ? [before, after] : [0, 0])) as [number, number][];
  const part = kept === extent ? x : tf.slice(x, start, extents);
  return before + after === 0 ? part : (tf.pad(part, paddings) as Tensor4D);
}

/** Puts `stride - 1` zero rows between the rows of axis 1 or 2. `[.., n, ..]` -> `[.., (n - 1) * stride + 1, ..]` */
function spread(x: Tensor4D, axis: 1 | 2, stride: number): Tensor4D {
  if (stride === 1) return x;
  const [n, h, w, c] = x.shape;
  if (axis === 1) {
    const rows = tf.reshape(x, [n, h, 1, w * c]);
    const padded = tf.pad(rows, [
      [0, 0],
      [0, 0],
      [0, stride - 1],
      [0, 0],
    ]); // [N, H, stride, W * C]
    return window(tf.reshape(padded, [n, h * stride, w, c]), 1, 0, (h - 1) * stride + 1);
  }
  const columns = tf.reshape(x, [n * h, w, 1, c]);
  const padded = tf.pad(columns, [
    [0, 0],
    [0, 0],
    [0, stride - 1],
    [0, 0],
  ]); // [N * H, W, stride, C]
  return window(tf.reshape(padded, [n, h, w * stride, c]), 2, 0, (w - 1) * stride + 1);
}

/**
 * Gradient of a convolution with respect to its input, as a forward convolution:
 * dy with zeros between its rows, padded, convolved with the filter turned by 180 degrees and its channels swapped.
 * @param dy `[N, outH, outW, outC]`. Borrowed.
 * @param filter `[kH, kW, inC, outC]`. Borrowed.
 * @returns `[N, inH, inW, inC]`. Owned by the caller.
 */
export function composedConv2dBackpropInput(dy: Tensor4D, filter: Tensor4D, g: ConvGeometry): Tensor4D {
  return tf.tidy(() => {
    const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]); // [kH, kW, outC, inC]
    const reachH = (g.filterHeight - 1) * g.dilationHeight;
    const reachW = (g.filterWidth - 1) * g.dilationWidth;
    // dx[i] = sum_k dy[(i + pad - k * dilation) / stride] * w[k]: the window starts `reach - pad` before row 0.
    const rows = window(spread(dy, 1, g.strideHeight), 1, g.padTop - reachH, g.inHeight + reachH);
    const all = window(spread(rows, 2, g.strideWidth), 2, g.padLeft - reachW, g.inWidth + reachW);
    return tf.conv2d(all, turned, 1, 'valid', 'NHWC', [g.dilationHeight, g.dilationWidth]);
  });
}

/**
 * Gradient of a convolution with respect to its filter, as a forward convolution in which
 * the batch plays the channels and dy the filter: strides become dilations.
 * @param x `[N, inH, inW, inC]`. Borrowed.
 * @param dy `[N, outH, outW, outC]`. Borrowed.
 * @returns `[kH, kW, inC, outC]`. Owned by the caller.
 */
export function composedConv2dBackpropFilter(x: Tensor4D, dy: Tensor4D, g: ConvGeometry): Tensor4D {
  return tf.tidy(() => {
    const spanH = (g.outHeight - 1) * g.strideHeight + (g.filterHeight - 1) * g.dilationHeight + 1;
    const spanW = (g.outWidth - 1) * g.strideWidth + (g.filterWidth - 1) * g.dilationWidth + 1;
    const seen = window(window(x, 1, -g.padTop, spanH), 2, -g.padLeft, spanW);
    const positions = g.outHeight * g.outWidth;
    const rowsAtOnce = Math.max(1, Math.min(g.outHeight, Math.floor(MAX_TERMS / g.outWidth)));
    const imagesAtOnce = Math.max(1, Math.min(g.batch, Math.floor(MAX_TERMS / positions)));
    const parts: Tensor4D[] = [];
    for (let n = 0; n < g.batch; n += imagesAtOnce) {
      const images = Math.min(imagesAtOnce, g.batch - n);
      for (let row = 0; row < g.outHeight; row += rowsAtOnce) {
        const rows = Math.min(rowsAtOnce, g.outHeight - row);
        const inRows = (rows - 1) * g.strideHeight + (g.filterHeight - 1) * g.dilationHeight + 1;
        const xPart = tf.slice(seen, [n, row * g.strideHeight, 0, 0], [images, inRows, spanW, g.inChannels]);
        const dyPart = tf.slice(dy, [n, row, 0, 0], [images, rows, g.outWidth, g.outChannels]);
        const part = tf.conv2d(
          tf.transpose(xPart, [3, 1, 2, 0]), // [inC, rows, W, n]
          tf.transpose(dyPart, [1, 2, 0, 3]), // [outH, outW, n, outC]
          [g.dilationHeight, g.dilationWidth],
          'valid',
          'NHWC',
          [g.strideHeight, g.strideWidth],
        ); // [inC, kH, kW, outC]
        parts.push(part as Tensor4D);
      }
    }
    return tf.transpose(parts.length === 1 ? (parts[0] as Tensor4D) : tf.addN(parts), [1, 2, 0, 3]);
  });
}
