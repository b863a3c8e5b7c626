import { hasKernel } from '@sd/core';
import { affine, SELF_ATTENTION_KERNEL, scaledDotProductAttention, selfAttention } from '@sd/nn';
import type { Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

// Each function computes its result in one of two ways, equal but for rounding. In one, heads are separated in the
// activations, in few kernels, as anywhere else. On WASM, where strided copies and transposes are slow, they are separated
// in the weights instead, which are small: each head is then one contiguous matrix, and nothing has to be put in order. There
// too, a kernel that takes the heads as they lie side by side is better than either.
const separatesWeights = () => tf.getBackend() === 'wasm';

/**
 * Self-attention whose queries, keys and values come from one linear map, ordered per head: q, k, v of the first head first.
 * @param rows `[N T, C]`. @param weight `[C, 3 heads D]`. @param bias `[3 heads D]`. All borrowed. @param batch N.
 * @returns what `joinHeads` takes. Call inside a tidy.
 */
export function selfAttend(
  rows: Tensor2D,
  weight: Tensor2D,
  bias: Tensor1D | undefined,
  { heads, batch }: { readonly heads: number; readonly batch: number },
): Heads {
  if (separatesWeights() && !hasKernel(SELF_ATTENTION_KERNEL)) {
    const qkv = projectParts(rows, weight, bias, 3 * heads);
    const part = (offset: number) => qkv.filter((_, i) => i % 3 === offset);
    return attendPerHead(part(0), part(1), part(2), batch);
  }
  const qkv = tf.reshape(affine(rows, weight, bias), [batch, -1, weight.shape[1]]) as Tensor3D;
  const attended = selfAttention(qkv, heads);
  return tf.reshape(attended, [-1, attended.shape[2]]) as Tensor2D;
}

/** A linear map whose columns are those of the heads, in turn. */
export type HeadMap = { readonly rows: Tensor2D; readonly weight: Tensor2D };

/**
 * Attention whose queries, keys and values come from maps of their own.
 * @param q rows `[N T, C]`, weight `[C, heads D]`. @param k rows `[N S, C']`. @param v as k. All borrowed. @param batch N.
 * @returns what `joinHeads` takes. Call inside a tidy.
 */
export function crossAttend(
  q: HeadMap,
  k: HeadMap,
  v: HeadMap,
  { heads, batch }: { readonly heads: number; readonly batch: number },
): Heads {
  if (separatesWeights()) {
    const [qs, ks, vs] = [q, k, v].map(({ rows, weight }) => projectParts(rows, weight, undefined, heads));
    return attendPerHead(qs as Tensor2D[], ks as Tensor2D[], vs as Tensor2D[], batch);
  }
  const [tq, tk, tv] = [q, k, v].map(({ rows, weight }) => {
    const packed = tf.reshape(affine(rows, weight, undefined), [batch, -1, heads, weight.shape[1] / heads]);
    return tf.transpose(packed, [0, 2, 1, 3]);
  }) as [Tensor4D, Tensor4D, Tensor4D];
  return scaledDotProductAttention(tq, tk, tv);
}

/** What each head attended to: side by side `[N T, heads D]`, apart `[N, heads, T, D]`, or for each head `[N T, D]`. */
export type Heads = Tensor2D | Tensor4D | readonly Tensor2D[];

/**
 * The linear map of the concatenated heads.
 * @param weight `[heads D, C]`. @param bias `[C]`. All borrowed.
 * @returns `[N T, C]`. Call inside a tidy.
 */
export function joinHeads(attended: Heads, weight: Tensor2D, bias: Tensor1D): Tensor2D {
  if (isApart(attended)) return joinParts(attended, weight, bias);
  if (attended.rank === 2) return affine(attended as Tensor2D, weight, bias);
  const [n, heads, t, depth] = (attended as Tensor4D).shape;
  const rows = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [n * t, heads * depth]) as Tensor2D;
  return affine(rows, weight, bias);
}

const isApart = (heads: Heads): heads is readonly Tensor2D[] => Array.isArray(heads);

/** One linear map per column block of a weight: `parts` tensors `[rows, D]`. */
function projectParts(rows: Tensor2D, weight: Tensor2D, bias: Tensor1D | undefined, parts: number): Tensor2D[] {
  const weights = splitInto(weight, parts, 1);
  const biases = bias ? splitInto(bias, parts, 0) : undefined;
  return weights.map((weightPart, i) => affine(rows, weightPart, biases?.[i]));
}

/** Attention of every head on its own: for each head `[N T, D]`. */
function attendPerHead(
  q: readonly Tensor2D[],
  k: readonly Tensor2D[],
  v: readonly Tensor2D[],
  batch: number,
): Tensor2D[] {
  const heads = q.length;
  const [rows, depth] = q[0].shape;
  const stack = (parts: readonly Tensor2D[]): Tensor4D => {
    const all = parts.length === 1 ? parts[0] : tf.concat([...parts], 0);
    return tf.reshape(all, [heads, batch, -1, depth]); // [heads, N, T, D]
  };
  const y = tf.reshape(scaledDotProductAttention(stack(q), stack(k), stack(v)), [heads * rows, depth]);
  return splitInto(y as Tensor2D, heads, 0);
}

/** The sum of one map per row block of the weight. */
function joinParts(parts: readonly Tensor2D[], weight: Tensor2D, bias: Tensor1D): Tensor2D {
  const weights = splitInto(weight, parts.length, 0);
  const terms = parts.map((part, i) => affine(part, weights[i], i === 0 ? bias : undefined));
  return terms.length === 1 ? terms[0] : tf.addN(terms);
}

function splitInto<T extends Tensor1D | Tensor2D>(x: T, parts: number, axis: number): T[] {
  return parts === 1 ? [x] : (tf.split(x, parts, axis) as T[]);
}
