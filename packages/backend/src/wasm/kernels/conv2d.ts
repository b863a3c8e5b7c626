import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { Conv2D, FusedConv2D } from '@tensorflow/tfjs-core';
import { convGeometry } from '../composed/conv-geometry';
import { canConvolve, convolve } from '../native/convolve';
import { addressOf, type NativeLibrary } from '../native/library';
import { denseStrides, stridedCopy } from '../native/strided-copy';
import { nativeKernel } from '../wasm-kernel';

/** x `[N, H, W, inC]`, filter `[kH, kW, inC, outC]`, bias `[outC]` -> `[N, H', W', outC]` */
function convolution(
  kernel: string,
  native: NativeLibrary,
  backend: BackendWasm,
  x: TensorInfo,
  filter: TensorInfo,
  bias: TensorInfo | undefined,
  attrs: NamedAttrMap,
): TensorInfo | null {
  const isFloat = [x, filter].every(({ dtype }) => dtype === 'float32');
  const [kh, kw] = filter.shape as [number, number];
  if (!isFloat || attrs.dataFormat !== 'NHWC' || !canConvolve(kh, kw)) return null;
  const g = convGeometry(kernel, x.shape, filter.shape, attrs);
  const shape = [g.batch, g.outHeight, g.outWidth, g.outChannels];
  const y = backend.makeOutput(shape, 'float32');
  if (bias !== undefined) {
    const flat = [g.batch * g.outHeight * g.outWidth, g.outChannels];
    stridedCopy(native, addressOf(backend, y), addressOf(backend, bias), flat, [0, 1], denseStrides(flat));
  }
  convolve(native, {
    ...g,
    target: addressOf(backend, y),
    source: addressOf(backend, x),
    filter: addressOf(backend, filter),
    stride: [g.strideHeight, g.strideWidth],
    dilation: [g.dilationHeight, g.dilationWidth],
    offset: [-g.padTop, -g.padLeft],
    filterSteps: denseStrides(filter.shape).map((stride) => 4 * stride) as [number, number, number, number],
    accumulate: bias !== undefined,
  });
  return y;
}

/**
 * `tf.conv2d`. tfjs packs the filter anew for every new tensor of weights, which after a training step is every one, and
 * gets 'same' wrong where a stride is larger than the filter.
 */
export const conv2d = nativeKernel(Conv2D, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
  return convolution(Conv2D, native, backend, x, filter, undefined, attrs);
});

/** `tf.fused.conv2d` without an activation */
export const fusedConv2d = nativeKernel(FusedConv2D, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x, filter, bias } = inputs as { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo };
  const plainBias = bias == null || (bias.dtype === 'float32' && bias.shape.join() === `${filter.shape[3]}`);
  if (attrs.activation !== 'linear' || !plainBias) return null;
  return convolution(FusedConv2D, native, backend, x, filter, bias ?? undefined, attrs);
});
