import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { globalAveragePool } from './global-average-pool';

/**
 * Multiplies packed subbands by their gates.
 * @param packed `[N, H, W, 4C]`. @param gates `[N, 4, C]` or `[N, 4, 1]`. Both borrowed.
 * @returns `[N, H, W, 4C]`. Owned by the caller.
 */
export function applyGates(packed: Tensor4D, gates: Tensor3D): Tensor4D {
  const [n, , , c4] = packed.shape;
  return tf.tidy(() => {
    const perChannel = gates.shape[2] === c4 / 4 ? gates : tf.mul(gates, tf.ones([1, 1, c4 / 4])); // [N, 4, C]
    return scaleChannels(packed, tf.reshape(perChannel, [n, 1, 1, c4])) as Tensor4D;
  });
}

/**
 * x `[N, H, W, C]` times scale `[N, 1, 1, C]`. The gradient of scale is a sum over pixels, which `tf.mul`'s own gradient
 * takes by `tf.sum` and therefore slowly on WASM.
 */
function scaleChannels(x: Tensor, scale: Tensor): Tensor {
  return tf.customGrad((...args) => {
    const [xIn, scaleIn, save] = args as unknown as [Tensor, Tensor, tf.GradSaveFunc];
    save([xIn, scaleIn]);
    const gradFunc = (dy: Tensor, [xSaved, scaleSaved]: Tensor[]) => {
      const [, h, w] = xSaved.shape;
      const mean = globalAveragePool(tf.mul(dy, xSaved) as Tensor4D); // [N, C]
      return [tf.mul(dy, scaleSaved), tf.reshape(tf.mul(mean, h * w), scaleSaved.shape)];
    };
    return { value: tf.mul(xIn, scaleIn), gradFunc };
  })(x, scale);
}
