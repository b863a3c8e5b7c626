import { checkShape, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';

/** @throws {ShapeError} unless x is `[N, H, W, C]` with at least one pixel. */
export function checkImage(operation: string, x: Tensor4D): void {
  checkShape(operation, 'x', x, ['N', 'H', 'W', 'C']);
  const [, h, w] = x.shape;
  if (h === 0 || w === 0) throw new ShapeError(operation, 'x', '[N, H >= 1, W >= 1, C]', x.shape);
}
