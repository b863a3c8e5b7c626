import { ArgumentError, checkInteger, checkShape, dispatch, hasKernel } from '@sd/core';
import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { MAX_FUSED_HEAD, scaledDotProductAttention } from './attention';

/**
 * Kernel names that a backend may register, for D of at most `MAX_FUSED_HEAD` and tensors that are not empty.
 * `SelfAttention` {qkv} with {heads} -> [y]. `SelfAttentionGrad` {qkv, y, dy} with {heads} -> the gradient in parts that lie
 * side by side for each head: `[N, T, heads D]` each for dq, dk and dv, or two of them together in `[N, T, heads 2 D]`.
 */
export const SELF_ATTENTION_KERNEL = 'SelfAttention';
export const SELF_ATTENTION_GRAD_KERNEL = 'SelfAttentionGrad';
export type SelfAttentionAttributes = { readonly heads: number };

/**
 * Scaled dot-product attention among the tokens of an image, of heads that lie side by side: what `scaledDotProductAttention`
 * gives, without tensors in which the heads are apart where the backend has a kernel for it.
 *
 * @param qkv `[N, T, heads 3 D]`: for each head its query, key and value. Borrowed.
 * @returns `[N, T, heads D]`. Owned by the caller.
 * @throws {ShapeError} @throws {ArgumentError} where 3 heads do not divide the last axis.
 */
export function selfAttention(qkv: Tensor3D, heads: number): Tensor3D {
  checkShape('selfAttention', 'qkv', qkv, ['N', 'T', 'C']);
  checkInteger('selfAttention', 'heads', heads);
  const width = qkv.shape[2];
  if (width % (3 * heads) !== 0) {
    throw new ArgumentError('selfAttention', 'heads', `such that 3 heads divide the ${width} values of a token`, heads);
  }
  const fits = width / (3 * heads) <= MAX_FUSED_HEAD && qkv.size > 0;
  return (
    fits && hasKernel(SELF_ATTENTION_KERNEL) ? fused(heads)(qkv) : tf.tidy(() => composed(qkv, heads))
  ) as Tensor3D;
}

/** `[N, T, heads 3 D]` -> q, k, v, each `[N, heads, T, D]` */
function separated(qkv: Tensor, heads: number): [Tensor4D, Tensor4D, Tensor4D] {
  const [n, t, width] = qkv.shape as [number, number, number];
  const depth = width / (3 * heads);
  const apart = tf.transpose(tf.reshape(qkv, [n, t, heads, 3, depth]), [3, 0, 2, 1, 4]); // [3, N, heads, T, D]
  const parts = tf.split(tf.reshape(apart, [3, -1]), 3, 0);
  return parts.map((part) => tf.reshape(part, [n, heads, t, depth])) as [Tensor4D, Tensor4D, Tensor4D];
}

/** `[N, heads, T, D]` -> `[N, T, heads D]` */
function joined(y: Tensor4D): Tensor {
  const [n, heads, t, depth] = y.shape;
  return tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [n, t, heads * depth]);
}

const composed = (qkv: Tensor, heads: number) => joined(scaledDotProductAttention(...separated(qkv, heads)));

const fused = (heads: number) =>
  tf.customGrad((...args) => {
    const [qkv, save] = args as unknown as [Tensor, tf.GradSaveFunc];
    const [value] = dispatch(SELF_ATTENTION_KERNEL, { qkv }, { heads }, () => composed(qkv, heads));
    save([qkv, value as Tensor]);
    const gradFunc = (dy: Tensor, saved: Tensor[]) => {
      const [input, y] = saved as [Tensor, Tensor];
      const reference = () => {
        const gradients = tf.grads((q, k, v) =>
          joined(scaledDotProductAttention(...([q, k, v] as [Tensor4D, Tensor4D, Tensor4D]))),
        );
        return gradients(separated(input, heads), dy).map((each) => joined(each as Tensor4D));
      };
      const parts = dispatch(SELF_ATTENTION_GRAD_KERNEL, { qkv: input, y, dy }, { heads }, reference);
      const [n, t] = input.shape as [number, number];
      const gradient = tf.tidy(() => {
        const rows = parts.map((part) => tf.reshape(part, [n * t * heads, -1]));
        return tf.reshape(tf.concat(rows, 1), input.shape);
      });
      tf.dispose(parts);
      return gradient;
    };
    return { value: value as Tensor, gradFunc };
  });
