// Attention in float64, for this package's tests; no part of the package.
import { normal, normalArray, randomKey } from '@sd/core';
import { scaledDotProductAttention } from '@sd/nn';
import { expectTensors } from '@sd/testing';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

type Four<T> = [T, T, T, T];

type Sizes = { batch: number; heads: number; t: number; s: number; d: number; e: number };

export const attend = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
  scaledDotProductAttention(q as Tensor4D, k as Tensor4D, v as Tensor4D);

const draws = (seed: number, { batch, heads, t, s, d, e }: Sizes) =>
  [
    [t, d],
    [s, d],
    [s, e],
    [t, e],
  ].map(([rows, columns], i) => ({
    shape: [batch, heads, rows, columns] as [number, number, number, number],
    key: randomKey(4 * seed + i),
  }));

/** y, dq, dk and dv in float64, by plain loops. */
function reference(seed: number, sizes: Sizes): Float64Array[] {
  const { batch, heads, t, s, d, e } = sizes;
  const [q, k, v, dy] = draws(seed, sizes).map(({ shape, key }) =>
    // as float32 has them
    Float64Array.from(new Float32Array(normalArray(key, tf.util.sizeFromShape(shape)))),
  ) as Four<Float64Array>;
  const [y, dq, dk, dv] = [dy, q, k, v].map(({ length }) => new Float64Array(length)) as Four<Float64Array>;
  const scale = d ** -0.5;
  for (let image = 0; image < batch * heads; image++) {
    for (let i = 0; i < t; i++) {
      const [qi, yi] = [(image * t + i) * d, (image * t + i) * e];
      const weights = new Float64Array(s).map((_, j) => {
        let logit = 0;
        for (let c = 0; c < d; c++) logit += q[qi + c]! * k[(image * s + j) * d + c]!;
        return Math.exp(scale * logit);
      });
      const total = weights.reduce((sum, weight) => sum + weight);
      const dWeights = weights.map((weight, j) => {
        let product = 0;
        for (let c = 0; c < e; c++) {
          const at = (image * s + j) * e + c;
          y[yi + c]! += (weight / total) * v[at]!;
          dv[at]! += (weight / total) * dy[yi + c]!;
          product += dy[yi + c]! * v[at]!;
        }
        return product;
      });
      const mean = dWeights.reduce((sum, product, j) => sum + (product * weights[j]!) / total, 0);
      for (let j = 0; j < s; j++) {
        const ds = (scale * weights[j]! * (dWeights[j]! - mean)) / total;
        for (let c = 0; c < d; c++) {
          dq[qi + c]! += ds * k[(image * s + j) * d + c]!;
          dk[(image * s + j) * d + c]! += ds * q[qi + c]!;
        }
      }
    }
  }
  return [y, dq, dk, dv];
}

/** Holds our kernels against `reference` on seeded tensors. */
export async function expectReference(seed: number, sizes: Sizes): Promise<void> {
  const [q, k, v, dy] = draws(seed, sizes).map(({ shape, key }) => normal(key, shape)) as Four<Tensor>;
  tf.dispose([q, k, v, dy].map(({ shape }) => tf.fill(shape, Number.NaN))); // what the results' memory holds
  const results = await expectTensors(4, () => [attend(q, k, v), ...tf.grads(attend)([q, k, v], dy)]);
  for (const [i, expected] of reference(seed, sizes).entries()) {
    await expect(results[i]!).toBeAllclose(expected, i === 0 ? 1e-5 : { of: 'gradient' });
  }
  tf.dispose([q, k, v, dy, ...results]);
}
