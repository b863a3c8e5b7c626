import type { TensorInfo } from '@tensorflow/tfjs-core';
import { ResizeNearestNeighbor, ResizeNearestNeighborGrad } from '@tensorflow/tfjs-core';
import { addressOf, TABLE_BYTES } from '../native/library';
import { nativeKernel } from '../wasm-kernel';

type ResizeAttributes = { readonly alignCorners: boolean; readonly halfPixelCenters: boolean };

/** The source position of each target position, as tfjs's cpu backend computes it. */
function nearest(from: number, to: number, { alignCorners, halfPixelCenters }: ResizeAttributes): number[] {
  const ratio = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, i) => {
    const position = ratio * (halfPixelCenters ? i + 0.5 : i);
    return Math.max(0, Math.min(from - 1, alignCorners ? Math.round(position) : Math.floor(position)));
  });
}

const fits = (rows: number, columns: number) => 4 * (rows + columns) <= TABLE_BYTES;

/** `tf.image.resizeNearestNeighbor`: `[N, H, W, C]` -> `[N, size[0], size[1], C]` */
export const resizeNearestNeighbor = nativeKernel(
  ResizeNearestNeighbor,
  ({ inputs, attrs, backend, native }): TensorInfo | null => {
    const { images } = inputs as { images: TensorInfo };
    const [height, width] = attrs.size as [number, number];
    if (images.dtype !== 'float32' || images.shape.includes(0) || !fits(height, width)) return null;
    const [n, h, w, channels] = images.shape as [number, number, number, number];
    const options = attrs as unknown as ResizeAttributes;
    const out = backend.makeOutput([n, height, width, channels], 'float32');
    const table = native.table([...nearest(h, height, options), ...nearest(w, width, options)]);
    const [to, from] = [addressOf(backend, out), addressOf(backend, images)];
    native.functions.gatherPixels(to, from, table, n, h, w, height, width, channels);
    return out;
  },
);

/** The gradient: each pixel of dy is added to the pixel that it was copied from. */
export const resizeNearestNeighborGrad = nativeKernel(
  ResizeNearestNeighborGrad,
  ({ inputs, attrs, backend, native }): TensorInfo | null => {
    const { images, dy } = inputs as { images: TensorInfo; dy: TensorInfo };
    const [, height, width] = dy.shape as [number, number, number, number];
    if (dy.dtype !== 'float32' || images.dtype !== 'float32' || images.shape.includes(0) || !fits(height, width))
      return null;
    const [n, h, w, channels] = images.shape as [number, number, number, number];
    const options = attrs as unknown as ResizeAttributes;
    const dx = backend.makeOutput(images.shape, 'float32');
    const table = native.table([...nearest(h, height, options), ...nearest(w, width, options)]);
    native.functions.scatterAddPixels(
      addressOf(backend, dx),
      addressOf(backend, dy),
      table,
      n,
      h,
      w,
      height,
      width,
      channels,
    );
    return dx;
  },
);
