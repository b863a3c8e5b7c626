import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util } from '@tensorflow/tfjs-core';

type Pad = Parameters<typeof backend_util.computeConv2DInfo>[4];
type Rounding = 'floor' | 'round' | 'ceil';
type Shape4 = [number, number, number, number];

/** The numbers of one 2-D convolution, NHWC and HWIO, whatever its padding was called. */
export type ConvGeometry = {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  readonly padTop: number;
  readonly padLeft: number;
};

/**
 * Reads the attributes of a convolution kernel.
 * @throws Error if the tensors are not NHWC: no WebAssembly kernel of tfjs takes NCHW either.
 */
export function convGeometry(
  kernel: string,
  inShape: readonly number[],
  filterShape: readonly number[],
  attrs: NamedAttrMap | undefined,
  depthwise = false,
): ConvGeometry {
  const {
    strides,
    dilations = 1,
    pad,
    dataFormat = 'NHWC',
    dimRoundingMode,
  } = (attrs ?? {}) as unknown as {
    strides: number | [number, number];
    dilations?: number | [number, number];
    pad: Pad;
    dataFormat?: 'NHWC' | 'NCHW';
    dimRoundingMode?: Rounding;
  };
  if (dataFormat !== 'NHWC')
    throw new Error(`${kernel}: dataFormat must be NHWC on the wasm backend, got ${dataFormat}`);
  const info = backend_util.computeConv2DInfo(
    inShape as Shape4,
    filterShape as Shape4,
    strides,
    dilations,
    pad,
    dimRoundingMode,
    depthwise,
  );
  return {
    batch: info.batchSize,
    inHeight: info.inHeight,
    inWidth: info.inWidth,
    inChannels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    filterHeight: info.filterHeight,
    filterWidth: info.filterWidth,
    strideHeight: info.strideHeight,
    strideWidth: info.strideWidth,
    dilationHeight: info.dilationHeight,
    dilationWidth: info.dilationWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
  };
}

/** Throws unless dy has the shape of the convolution's result. */
export function assertGradientShape(kernel: string, dy: TensorInfo, g: ConvGeometry): void {
  const expected = [g.batch, g.outHeight, g.outWidth, g.outChannels];
  if (String(dy.shape) !== String(expected)) {
    throw new Error(`${kernel}: dy must be [${expected.join(', ')}], got [${dy.shape.join(', ')}]`);
  }
}

/** Throws unless a float kernel was given floats: the gradients of integers do not exist. */
export function assertFloat32(kernel: string, inputs: Readonly<Record<string, TensorInfo>>): void {
  for (const [name, { dtype }] of Object.entries(inputs)) {
    if (dtype !== 'float32') throw new Error(`${kernel}: ${name} must be float32, got ${dtype}`);
  }
}
