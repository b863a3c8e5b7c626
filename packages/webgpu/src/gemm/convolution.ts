import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util } from '@tensorflow/tfjs-core';
import type { Epilogue, Gather, Gemm } from './gemm';

type Shape4 = [number, number, number, number];
export type ConvGeometry = ReturnType<typeof convGeometry>;

/** The numbers of one 2-D convolution, NHWC and HWIO, whatever its padding was called. */
export function convGeometry(inShape: readonly number[], filterShape: readonly number[], attrs: NamedAttrMap) {
  const { strides, pad, dilations, dimRoundingMode } = attrs as unknown as {
    strides: number | [number, number];
    pad: Parameters<typeof backend_util.computeConv2DInfo>[4];
    dilations?: number | [number, number];
    dimRoundingMode?: 'floor' | 'round' | 'ceil';
  };
  const info = backend_util.computeConv2DInfo(
    ...([inShape as Shape4, filterShape as Shape4, strides, dilations ?? 1, pad, dimRoundingMode] as const),
  );
  return { ...info, batch: info.batchSize, padTop: info.padInfo.top, padLeft: info.padInfo.left, repeat: 1 };
}

const BY_ONE = [
  [0, 0],
  [1, 1],
  [1, 1],
  [0, 0],
];

/** Of a convolution of 3 x 3 taps, padded by one, over an image each of whose pixels stands for four. */
export function upsampledGeometry([n, h, w, c]: readonly number[], filterShape: readonly number[]): ConvGeometry {
  const upsampled = [n, 2 * (h as number), 2 * (w as number), c] as Shape4;
  return { ...convGeometry(upsampled, filterShape, { strides: 1, pad: BY_ONE }), repeat: 2 };
}

/** Whether each pixel of the result sees one pixel of the image, in the same order: then an image is a matrix. */
const isPointwise = (g: ConvGeometry) =>
  g.filterHeight * g.filterWidth === 1 &&
  g.strideHeight * g.strideWidth === 1 &&
  g.padTop + g.padLeft === 0 &&
  g.outHeight === g.inHeight &&
  g.outWidth === g.inWidth;

/** Whether a convolution's image is gathered. */
export const isGathered = (g: ConvGeometry): boolean => !isPointwise(g);

const forwardGather = (g: ConvGeometry): Gather => ({
  height: g.inHeight / g.repeat,
  width: g.inWidth / g.repeat,
  channels: g.inChannels,
  gridHeight: g.outHeight,
  gridWidth: g.outWidth,
  filterWidth: g.filterWidth,
  mulY: g.strideHeight,
  mulX: g.strideWidth,
  addY: -g.padTop,
  addX: -g.padLeft,
  stepY: g.dilationHeight,
  stepX: g.dilationWidth,
  divideY: 1,
  divideX: 1,
  repeat: g.repeat,
});

/** y = conv(x, filter). @param x `[N, inH, inW, inC]` @param filter `[kH, kW, inC, outC]` */
export function forwardGemm(x: TensorInfo, filter: TensorInfo, g: ConvGeometry, epilogue: Epilogue = {}): Gemm {
  const k = g.filterHeight * g.filterWidth * g.inChannels;
  const image = { tensor: x, batchStride: 0 };
  return {
    left: isPointwise(g) ? { ...image, layout: 'rows' } : { ...image, layout: 'gather', gather: forwardGather(g) },
    right: { tensor: filter, batchStride: 0, layout: 'rows', channels: k },
    m: g.batch * g.outHeight * g.outWidth,
    n: g.outChannels,
    k,
    batches: 1,
    outShape: [g.batch, g.outHeight, g.outWidth, g.outChannels],
    epilogue,
  };
}

/** dx: each pixel of the image sums over the pixels of dy whose filter saw it. @param dy `[N, outH, outW, outC]` */
export function inputGradientGemm(dy: TensorInfo, filter: TensorInfo, g: ConvGeometry): Gemm {
  const image = { tensor: dy, batchStride: 0 };
  return {
    left: isPointwise(g)
      ? { ...image, layout: 'rows' }
      : {
          ...image,
          layout: 'gather',
          gather: {
            height: g.outHeight,
            width: g.outWidth,
            channels: g.outChannels,
            gridHeight: g.inHeight,
            gridWidth: g.inWidth,
            filterWidth: g.filterWidth,
            mulY: 1,
            mulX: 1,
            addY: g.padTop,
            addX: g.padLeft,
            stepY: -g.dilationHeight,
            stepX: -g.dilationWidth,
            divideY: g.strideHeight,
            divideX: g.strideWidth,
            repeat: 1,
          },
        },
    right: { tensor: filter, batchStride: 0, layout: 'columns', channels: g.outChannels },
    m: g.batch * g.inHeight * g.inWidth,
    n: g.inChannels,
    k: g.filterHeight * g.filterWidth * g.outChannels,
    batches: 1,
    outShape: [g.batch, g.inHeight, g.inWidth, g.inChannels],
  };
}

/**
 * dx of a convolution of an upsampled image: a pixel sums over 4 x 4 pixels of dy, those whose filter saw one of its four.
 * @param dy `[N, 2H, 2W, outC]` @param taps `[4, 4, inC, outC]`, by `summedTaps`.
 */
export function upsampledInputGradientGemm(dy: TensorInfo, taps: TensorInfo): Gemm {
  const [, , inC, outC] = taps.shape as Shape4;
  const g = convGeometry(dy.shape, [4, 4, outC, inC], { strides: 2, pad: BY_ONE });
  return { ...forwardGemm(dy, taps, g), right: { tensor: taps, batchStride: 0, layout: 'columns', channels: outC } };
}

/** dFilter: each tap and channel sums over all pixels of the result. */
export function filterGradientGemm(x: TensorInfo, dy: TensorInfo, g: ConvGeometry): Gemm {
  const image = { tensor: x, batchStride: 0 };
  const pixels = g.batch * g.outHeight * g.outWidth;
  return {
    left: isPointwise(g)
      ? { ...image, layout: 'columns' }
      : { ...image, layout: 'gather-columns', gather: forwardGather(g) },
    right: { tensor: dy, batchStride: 0, layout: 'rows', channels: pixels },
    m: g.filterHeight * g.filterWidth * g.inChannels,
    n: g.outChannels,
    k: pixels,
    batches: 1,
    outShape: [g.filterHeight, g.filterWidth, g.inChannels, g.outChannels],
  };
}
