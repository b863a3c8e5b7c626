import { silu } from '@sd/nn';
import type { Tensor, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { globalAveragePool } from './global-average-pool';

/**
 * Sigmoid(FFN(AvgPool(x))), the FFN of two linear layers without bias and SiLU between them.
 * @param x `[N, H, W, C]`. @param reduce `[C, hidden]`. @param expand `[hidden, 4G]`. All borrowed.
 * @returns `[N, 4, G]`. Owned by the caller.
 */
export function gateValues(x: Tensor4D, reduce: Tensor, expand: Tensor): Tensor3D {
  return tf.tidy(() => {
    const hidden = silu(tf.matMul(globalAveragePool(x), reduce as Tensor2D)); // [N, hidden]
    const gates = tf.sigmoid(tf.matMul(hidden, expand as Tensor2D)); // [N, 4G]
    return tf.reshape(gates, [x.shape[0], 4, -1]); // [N, 4, G]
  });
}
