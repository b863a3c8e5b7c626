import type { ConvGeometry } from './conv-geometry';

/** First and one past the last output position whose input position `o * stride + offset` lies in `[0, size)`. */
function outputRange(outSize: number, size: number, stride: number, offset: number): [number, number] {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(outSize, Math.floor((size - 1 - offset) / stride) + 1);
  return [first, Math.max(first, last)];
}

/** Calls `visit` for every (filter tap, output position) that touches the input; offsets are in pixels. */
function forEachTap(
  g: ConvGeometry,
  visit: (tap: number, inPixel: number, outPixel: number, count: number, step: number) => void,
): void {
  for (let kh = 0; kh < g.filterHeight; kh++) {
    const rowOffset = kh * g.dilationHeight - g.padTop;
    const [firstRow, lastRow] = outputRange(g.outHeight, g.inHeight, g.strideHeight, rowOffset);
    for (let kw = 0; kw < g.filterWidth; kw++) {
      const columnOffset = kw * g.dilationWidth - g.padLeft;
      const [first, last] = outputRange(g.outWidth, g.inWidth, g.strideWidth, columnOffset);
      for (let n = 0; n < g.batch; n++) {
        for (let row = firstRow; row < lastRow; row++) {
          const inRow = (n * g.inHeight + row * g.strideHeight + rowOffset) * g.inWidth;
          const outRow = (n * g.outHeight + row) * g.outWidth;
          const inPixel = inRow + first * g.strideWidth + columnOffset;
          visit(kh * g.filterWidth + kw, inPixel, outRow + first, last - first, g.strideWidth);
        }
      }
    }
  }
}

/**
 * Gradient of a depthwise convolution with respect to its filter, summed in float64.
 * @param x `[N, inH, inW, inC]`, dy `[N, outH, outW, inC * M]`, dw `[kH, kW, inC, M]`: views of the heap; dw is overwritten.
 */
export function depthwiseBackpropFilter(x: Float32Array, dy: Float32Array, dw: Float32Array, g: ConvGeometry): void {
  const { inChannels, outChannels } = g;
  const multiplier = outChannels / inChannels;
  const sums = new Float64Array(dw.length);
  forEachTap(g, (tap, inPixel, outPixel, count, step) => {
    for (let i = 0; i < count; i++) {
      const xAt = (inPixel + i * step) * inChannels;
      const dyAt = (outPixel + i) * outChannels;
      for (let c = 0; c < outChannels; c++) {
        const product = (x[xAt + Math.floor(c / multiplier)] as number) * (dy[dyAt + c] as number);
        sums[tap * outChannels + c] = (sums[tap * outChannels + c] as number) + product;
      }
    }
  });
  dw.set(sums);
}

/**
 * Gradient of a depthwise convolution with respect to its input.
 * @param dy `[N, outH, outW, inC * M]`, filter `[kH, kW, inC, M]`, dx `[N, inH, inW, inC]`: views of the heap; dx is overwritten.
 */
export function depthwiseBackpropInput(
  dy: Float32Array,
  filter: Float32Array,
  dx: Float32Array,
  g: ConvGeometry,
): void {
  const { inChannels, outChannels } = g;
  const multiplier = outChannels / inChannels;
  dx.fill(0);
  forEachTap(g, (tap, inPixel, outPixel, count, step) => {
    for (let i = 0; i < count; i++) {
      const dxAt = (inPixel + i * step) * inChannels;
      const dyAt = (outPixel + i) * outChannels;
      for (let c = 0; c < outChannels; c++) {
        const at = dxAt + Math.floor(c / multiplier);
        dx[at] = (dx[at] as number) + (dy[dyAt + c] as number) * (filter[tap * outChannels + c] as number);
      }
    }
  });
}
