import { checkShape } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Nearest-neighbour upsampling by 2 (torch.nn.functional.interpolate, mode 'nearest').
 * @param x `[N, H, W, C]`. Borrowed. @returns `[N, 2H, 2W, C]`. Owned by the caller. @throws {ShapeError}
 */
export function upsampleNearest2x(x: Tensor4D): Tensor4D {
  checkShape('upsampleNearest2x', 'x', x, ['N', 'H', 'W', 'C']);
  const [, h, w] = x.shape;
  return tf.image.resizeNearestNeighbor(x, [2 * h, 2 * w]);
}

/**
 * Mean of every 2 x 2 block (torch.nn.functional.avg_pool2d of 2).
 * @param x `[N, H, W, C]`, H and W even. Borrowed. @returns `[N, H/2, W/2, C]`. Owned by the caller. @throws {ShapeError}
 */
export function averagePool2x(x: Tensor4D): Tensor4D {
  checkShape('averagePool2x', 'x', x, ['N', 'H', 'W', 'C']);
  return tf.avgPool(x, 2, 2, 'valid');
}
