import { checkShape, dispatch, hasKernel } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Kernel names that a backend may register, for D and E of at most `MAX_FUSED_HEAD` and tensors that are not empty.
 * `ScaledDotProductAttention` {q, k, v} -> [y]; `ScaledDotProductAttentionGrad` {q, k, v, y, dy} -> [dq, dk, dv].
 */
export const ATTENTION_KERNEL = 'ScaledDotProductAttention';
export const ATTENTION_GRAD_KERNEL = 'ScaledDotProductAttentionGrad';

/** Longer rows than this go through the composition. */
export const MAX_FUSED_HEAD = 128;

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
  const fits = d <= MAX_FUSED_HEAD && v.shape[3] <= MAX_FUSED_HEAD && q.size > 0 && v.size > 0;
  return (fits && hasKernel(ATTENTION_KERNEL) ? fused(q, k, v) : tf.tidy(() => composed(q, k, v))) as Tensor4D;
}

function composed(q: Tensor, k: Tensor, v: Tensor): Tensor {
  // D^-1/4 on each side keeps the logits small, as LDM does for half precision
  const scale = (q.shape[3] as number) ** -0.25;
  const logits = tf.matMul(tf.mul(q, scale), tf.mul(k, scale), false, true); // [N, heads, T, S]
  return tf.matMul(tf.softmax(logits), v); // [N, heads, T, E]
}

const fused = tf.customGrad((...args) => {
  const [q, k, v, save] = args as unknown as [Tensor, Tensor, Tensor, tf.GradSaveFunc];
  const [value] = dispatch(ATTENTION_KERNEL, { q, k, v }, {}, () => composed(q, k, v));
  save([q, k, v, value]);
  const gradFunc = (dy: Tensor, saved: Tensor[]) => {
    const [qSaved, kSaved, vSaved, y] = saved as [Tensor, Tensor, Tensor, Tensor];
    return dispatch(ATTENTION_GRAD_KERNEL, { q: qSaved, k: kSaved, v: vSaved, y, dy }, {}, () =>
      attentionGradient(qSaved, kSaved, vSaved, y, dy),
    );
  };
  return { value, gradFunc };
});

/** P the softmax, dP = dy v^T, dS = P (dP - y . dy) / sqrt(D): dq = dS k, dk = dS^T q, dv = P^T dy. */
function attentionGradient(q: Tensor, k: Tensor, v: Tensor, y: Tensor, dy: Tensor): [Tensor, Tensor, Tensor] {
  const scale = (q.shape[3] as number) ** -0.5;
  const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), scale)); // [N, heads, T, S]
  const mean = tf.sum(tf.mul(y, dy), 3, true); // [N, heads, T, 1]
  const change = tf.mul(tf.mul(weights, tf.sub(tf.matMul(dy, v, false, true), mean)), scale); // [N, heads, T, S]
  return [tf.matMul(change, k), tf.matMul(change, q, true), tf.matMul(weights, dy, true)];
}
