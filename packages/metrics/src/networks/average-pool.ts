import { checkShape } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Mean of the pixels of every 3 x 3 window that lie inside the image (torch's avg_pool2d of 3, stride 1, padding 1, with
 * count_include_pad=False).
 *
 * @param x `[N, H, W, C]`. Borrowed. @returns the same shape. Owned by the caller. @throws {ShapeError}
 */
export function averagePool3x3(x: Tensor4D): Tensor4D {
  checkShape('averagePool3x3', 'x', x, ['N', 'H', 'W', 'C']);
  return pooled(x) as Tensor4D;
}

// y = sum / count; the sum over a window is its own adjoint: dx = sum(dy / count) = count mean(dy / count).
const pooled = tf.customGrad((x) => {
  const { shape } = x as Tensor;
  return {
    value: tf.avgPool(x as Tensor as Tensor4D, 3, 1, 'same'),
    gradFunc: (dy: Tensor) => {
      const counts = tf.mul(countsAlong(shape[1]!, [1, -1, 1, 1]), countsAlong(shape[2]!, [1, 1, -1, 1])); // [1, H, W, 1]
      return tf.mul(tf.avgPool(tf.div(dy, counts) as Tensor4D, 3, 1, 'same'), counts);
    },
  };
});

/** How many of the 3 pixels around each of `size` lie inside. */
function countsAlong(size: number, shape: number[]): Tensor {
  return tf.tensor(
    Array.from({ length: size }, (_, i) => Math.min(i + 2, size) - Math.max(i - 1, 0)),
    shape.map((length) => (length === -1 ? size : length)),
    'float32',
  );
}
