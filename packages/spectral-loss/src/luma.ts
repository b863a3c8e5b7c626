import { ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages } from './check-images';
import type { ConstantMatrix } from './constant-matrix';
import { multiplyLastAxis } from './multiply-last-axis';

const REC_601: ConstantMatrix = { rows: 3, columns: 1, values: Float32Array.of(0.299, 0.587, 0.114) };

/**
 * Luma of gamma-encoded RGB, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as JPEG and Pillow's 'L'), in the range of x.
 * @param x `[N, H, W, 3]`, or `[N, H, W, 1]`, which is luma already. Borrowed.
 * @returns `[N, H, W, 1]`. Owned by the caller.
 * @throws {ShapeError} on another shape. @throws {ArgumentError} on a disposed tensor.
 */
export function luma(x: Tensor4D): Tensor4D {
  checkColorImages('luma', 'x', x);
  return x.shape[3] === 1 ? tf.clone(x) : tf.tidy(() => multiplyLastAxis(x, REC_601) as Tensor4D);
}

/** @throws {ShapeError} unless x is `[N, H, W, 3]` or `[N, H, W, 1]`. */
export function checkColorImages(operation: string, argument: string, x: Tensor4D): void {
  checkImages(operation, argument, x);
  if (x.shape[3] !== 1 && x.shape[3] !== 3) {
    throw new ShapeError(operation, argument, '[N, H, W, 3] or [N, H, W, 1]', x.shape);
  }
}
