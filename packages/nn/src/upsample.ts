import { checkShape, ShapeError } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Nearest-neighbour upsampling by 2 (torch.nn.functional.interpolate, mode 'nearest').
 * @param x `[N, H, W, C]`. Borrowed. @returns `[N, 2H, 2W, C]`. Owned by the caller. @throws {ShapeError}
 */
export function upsampleNearest2x(x: Tensor4D): Tensor4D {
  checkShape('upsampleNearest2x', 'x', x, ['N', 'H', 'W', 'C']);
  return upsampleWithGradient(x) as Tensor4D;
}

// tfjs's own gradient is wrong on the cpu backend for batches of more than one: each pixel gets the sum of its four.
const upsampleWithGradient = tf.customGrad((x) => {
  const images = x as Tensor as Tensor4D;
  const [, h, w] = images.shape;
  return {
    value: tf.image.resizeNearestNeighbor(images, [2 * h, 2 * w]),
    gradFunc: (dy: Tensor) => tf.mul(tf.avgPool(dy as Tensor4D, 2, 2, 'valid'), 4),
  };
});

/**
 * Mean of every 2 x 2 block (torch.nn.functional.avg_pool2d of 2).
 * @param x `[N, H, W, C]`, H and W even. Borrowed. @returns `[N, H/2, W/2, C]`. Owned by the caller. @throws {ShapeError}
 */
export function averagePool2x(x: Tensor4D): Tensor4D {
  checkShape('averagePool2x', 'x', x, ['N', 'H', 'W', 'C']);
  if (x.shape[1] % 2 !== 0 || x.shape[2] % 2 !== 0) {
    throw new ShapeError('averagePool2x', 'x', '[N, even, even, C]', x.shape);
  }
  return tf.avgPool(x, 2, 2, 'valid');
}
