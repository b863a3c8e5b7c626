import { ArgumentError, checkInteger } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages } from './check-images';
import { multiplyLastAxis } from './multiply-last-axis';
import { RESIZE_METHODS, type ResizeMethod, resizeMatrix } from './resize-matrix';

export type ResizeOptions = {
  /** `[H', W']` of the result. */
  readonly size: readonly [number, number];
  readonly method?: ResizeMethod;
};

/**
 * Resizes images or features, as torch.nn.functional.interpolate: 'bilinear' is align_corners=False,
 * 'bilinear-antialias' the same with antialias=True. Separable: one constant matrix an axis; the gradient is exact.
 *
 * @param x `[N, H, W, C]`. Borrowed.
 * @returns `[N, H', W', C]`. Owned by the caller.
 * @throws {ShapeError} on another rank or an empty dimension. @throws {ArgumentError} on a size that is not two
 * positive integers, an unknown method, or a disposed tensor.
 */
export function resize2d(x: Tensor4D, { size, method = 'bilinear' }: ResizeOptions): Tensor4D {
  checkImages('resize2d', 'x', x);
  const [height, width] = size;
  checkInteger('resize2d', 'size[0]', height);
  checkInteger('resize2d', 'size[1]', width);
  if (!RESIZE_METHODS.includes(method)) {
    throw new ArgumentError('resize2d', 'method', `one of ${RESIZE_METHODS.join(', ')}`, method);
  }
  const [, h, w] = x.shape;
  if (h === height && w === width) return tf.clone(x); // every method is the identity here
  return tf.tidy(() => {
    const rows = tf.transpose(x, [0, 3, 1, 2]); // [N, C, H, W]
    const wide = multiplyLastAxis(rows, resizeMatrix(method, w, width)); // [N, C, H, W']
    const columns = tf.transpose(wide, [0, 1, 3, 2]); // [N, C, W', H]
    const resized = multiplyLastAxis(columns, resizeMatrix(method, h, height)); // [N, C, W', H']
    return tf.transpose(resized, [0, 3, 2, 1]) as Tensor4D; // [N, H', W', C]
  });
}
