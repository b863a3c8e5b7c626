import type { TensorInfo } from '@tensorflow/tfjs-core';
import { DepthToSpace, Reverse, Transpose, util } from '@tensorflow/tfjs-core';
import { addressOf } from '../native/library';
import { denseStrides, stridedCopy } from '../native/strided-copy';
import { hasFourByteElements, nativeKernel } from '../wasm-kernel';

/** `tf.transpose`: result axis d is axis perm[d] of x. */
export const transpose = nativeKernel(Transpose, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x } = inputs as { x: TensorInfo };
  const perm = attrs.perm as number[];
  const longAxes = perm.filter((d) => x.shape[d] !== 1);
  const keepsOrder = longAxes.every((d, i) => i === 0 || (longAxes[i - 1] as number) < d);
  if (!hasFourByteElements(x) || keepsOrder) return null; // a reshape: no copy at all
  const shape = perm.map((d) => x.shape[d] as number);
  const strides = denseStrides(x.shape);
  const out = backend.makeOutput(shape, x.dtype);
  const from = perm.map((d) => strides[d] as number);
  stridedCopy(native, addressOf(backend, out), addressOf(backend, x), shape, from, denseStrides(shape));
  return out;
});

/** `tf.reverse` */
export const reverse = nativeKernel(Reverse, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x } = inputs as { x: TensorInfo };
  if (!hasFourByteElements(x) || x.shape.length === 0) return null;
  const axes = util.parseAxisParam(attrs.dims as number | number[], x.shape);
  const to = denseStrides(x.shape);
  const from = to.map((stride, d) => (axes.includes(d) ? -stride : stride));
  const last = axes.reduce((sum, d) => sum + ((x.shape[d] as number) - 1) * (to[d] as number), 0);
  const out = backend.makeOutput(x.shape, x.dtype);
  stridedCopy(native, addressOf(backend, out), addressOf(backend, x) + 4 * last, x.shape, from, to);
  return out;
});

/** `tf.depthToSpace`: `[N, H, W, B * B * C]` -> `[N, H * B, W * B, C]` */
export const depthToSpace = nativeKernel(DepthToSpace, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x } = inputs as { x: TensorInfo };
  const { blockSize, dataFormat } = attrs as unknown as { blockSize: number; dataFormat: string };
  if (!hasFourByteElements(x) || dataFormat !== 'NHWC') return null;
  const [n, h, w, depth] = x.shape as [number, number, number, number];
  const channels = depth / (blockSize * blockSize);
  const out = backend.makeOutput([n, h * blockSize, w * blockSize, channels], x.dtype);
  const shape = [n, h, blockSize, w, blockSize, channels];
  const [imageStep, rowStep, columnStep] = denseStrides(x.shape) as [number, number, number];
  const from = [imageStep, rowStep, blockSize * channels, columnStep, channels, 1];
  stridedCopy(native, addressOf(backend, out), addressOf(backend, x), shape, from, denseStrides(shape));
  return out;
});
