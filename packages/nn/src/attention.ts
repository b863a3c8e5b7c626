import { checkShape } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Scaled dot-product attention: softmax(q k^T / sqrt(D)) v, the softmax in float32.
 *
 * @param q `[N, heads, T, D]`. @param k `[N, heads, S, D]`. @param v `[N, heads, S, E]`. All borrowed.
 * @returns `[N, heads, T, E]`. Owned by the caller.
 * @throws {ShapeError}
 */
export function scaledDotProductAttention(q: Tensor4D, k: Tensor4D, v: Tensor4D): Tensor4D {
  checkShape('scaledDotProductAttention', 'q', q, ['N', 'heads', 'T', 'D']);
  const [n, heads, , d] = q.shape;
  checkShape('scaledDotProductAttention', 'k', k, [n, heads, 'S', d]);
  checkShape('scaledDotProductAttention', 'v', v, [n, heads, k.shape[2], 'E']);
  return tf.tidy(() => {
    // D^-1/4 on each side keeps the logits small, as LDM does for half precision
    const scale = d ** -0.25;
    const logits = tf.matMul(tf.mul(q, scale), tf.mul(k, scale), false, true); // [N, heads, T, S]
    return tf.matMul(tf.softmax(logits), v) as Tensor4D; // [N, heads, T, E]
  });
}
