import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Multiplies packed subbands by their gates.
 * @param packed `[N, H, W, 4C]`. @param gates `[N, 4, C]` or `[N, 4, 1]`. Both borrowed.
 * @returns `[N, H, W, 4C]`. Owned by the caller.
 */
export function applyGates(packed: Tensor4D, gates: Tensor3D): Tensor4D {
  const [n, h, w, c4] = packed.shape;
  return tf.tidy(() => {
    if (gates.shape[2] !== 1) return tf.mul(packed, tf.reshape(gates, [n, 1, 1, c4]));
    const bands = tf.reshape(packed, [n, h * w, 4, c4 / 4]); // [N, HW, 4, C]
    return tf.reshape(tf.mul(bands, tf.reshape(gates, [n, 1, 4, 1])), packed.shape) as Tensor4D;
  });
}
