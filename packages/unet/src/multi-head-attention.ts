import { scaledDotProductAttention } from '@sd/nn';
import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

// Heads are separated in the weights, which are small, and not in the activations, whose strided copies and transposes
// are slow on WASM. Each head is then one contiguous matrix, and nothing has to be put back in order.

/**
 * One linear map per column block of a weight.
 * @param rows `[rows, C]`. @param weight `[C, parts D]`. @param bias `[parts D]`. All borrowed.
 * @returns `parts` tensors `[rows, D]`. Call inside a tidy.
 */
export function projectParts(rows: Tensor2D, weight: Tensor2D, bias: Tensor1D | undefined, parts: number): Tensor2D[] {
  const weights = splitInto(weight, parts, 1);
  const biases = bias ? splitInto(bias, parts, 0) : undefined;
  return weights.map((weightPart, i) => matMul(rows, weightPart, biases?.[i]));
}

/**
 * Attention of every head on its own.
 * @param q for each head `[N T, D]`. @param k `[N S, D]`. @param v `[N S, D]`. All borrowed. @param batch N.
 * @returns for each head `[N T, D]`. Call inside a tidy.
 */
export function attendPerHead(
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

/**
 * The linear map of the concatenated heads, as the sum of one map per row block of its weight.
 * @param parts each `[rows, D]`. @param weight `[parts D, C]`. @param bias `[C]`. All borrowed.
 * @returns `[rows, C]`. Call inside a tidy.
 */
export function joinParts(parts: readonly Tensor2D[], weight: Tensor2D, bias: Tensor1D): Tensor2D {
  const weights = splitInto(weight, parts.length, 0);
  const terms = parts.map((part, i) => matMul(part, weights[i], i === 0 ? bias : undefined));
  return terms.length === 1 ? terms[0] : tf.addN(terms);
}

function matMul(a: Tensor2D, b: Tensor2D, bias: Tensor1D | undefined): Tensor2D {
  return (bias ? tf.fused.matMul({ a, b, bias }) : tf.matMul(a, b)) as Tensor2D;
}

function splitInto<T extends Tensor1D | Tensor2D>(x: T, parts: number, axis: number): T[] {
  return parts === 1 ? [x] : (tf.split(x, parts, axis) as T[]);
}
