import { checkShape, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';

/**
 * @throws {ShapeError} unless x is `[N, H, W, C]` with no dimension of size 0.
 * @throws {ArgumentError} on a disposed tensor.
 */
export function checkImages(operation: string, argument: string, x: Tensor4D): void {
  checkShape(operation, argument, x, ['N', 'H', 'W', 'C']);
  if (x.size === 0) throw new ShapeError(operation, argument, '[N, H, W, C] without an empty dimension', x.shape);
}
