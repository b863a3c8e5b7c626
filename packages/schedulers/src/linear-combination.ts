import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** A coefficient and its tensor. */
export type Term = readonly [number, Tensor];

/**
 * sum_i c_i x_i, leaving out what is multiplied by 0, and multiplications by 1. Every step of a sampler is one of these:
 * coefficients are folded in float64 first, and a fused kernel has one place to go.
 * @param terms tensors of one shape, at least one. Borrowed. @returns a new tensor; call it in a tidy.
 */
export function linearCombination(...terms: readonly Term[]): Tensor {
  const scaled = terms
    .filter(([coefficient]) => coefficient !== 0)
    .map(([coefficient, x]) => (coefficient === 1 ? x : tf.mul(x, coefficient)));
  if (scaled.length === 0) return tf.zerosLike(terms[0][1]);
  const sum = scaled.reduce((total, x) => tf.add(total, x));
  return terms.some(([, x]) => x === sum) ? tf.clone(sum) : sum;
}
