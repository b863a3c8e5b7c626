import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../use-backend';
import { expectSameAsCpu, randomInput } from '../compare-with-cpu';

beforeAll(async () => {
  await useBackend('wasm');
});

const run = (name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap = {}) =>
  tf.engine().runKernel(name, inputs, attrs) as unknown as tf.Tensor[];

/** softmax(q k^T / sqrt(D)) v as one writes it with tfjs. */
function composed(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const logits = tf.mul(tf.matMul(q, k, false, true), (q.shape.at(-1) as number) ** -0.5);
  return tf.matMul(tf.softmax(logits), v);
}

/** On cpu the composition and its gradients by the tape, on wasm the kernels. */
function attentionAndGradients(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  if (tf.getBackend() === 'cpu') {
    const { value, grads } = tf.valueAndGrads(composed)([q, k, v], dy);
    return [value, ...grads];
  }
  const [y] = run('ScaledDotProductAttention', { q, k, v }) as [tf.Tensor];
  return [y, ...run('ScaledDotProductAttentionGrad', { q, k, v, y, dy })];
}

/** `[N, T, heads 3 D]` -> the part of q, k or v, `[N, heads, T, D]` */
function part(qkv: tf.Tensor, heads: number, which: number): tf.Tensor {
  const [n, t, width] = qkv.shape as [number, number, number];
  const apart = tf.reshape(qkv, [n, t, heads, 3, width / (3 * heads)]);
  return tf.transpose(tf.squeeze(tf.slice(apart, [0, 0, 0, which, 0], [n, t, heads, 1, -1]), [3]), [0, 2, 1, 3]);
}

function selfAttentionAndGradient(heads: number) {
  return (qkv: tf.Tensor, dy: tf.Tensor): tf.Tensor[] => {
    if (tf.getBackend() === 'cpu') {
      const attend = (x: tf.Tensor) => {
        const y = composed(part(x, heads, 0), part(x, heads, 1), part(x, heads, 2)); // [N, heads, T, D]
        return tf.reshape(tf.transpose(y, [0, 2, 1, 3]), dy.shape);
      };
      const { value, grad } = tf.valueAndGrad(attend)(qkv, dy);
      return [value, grad];
    }
    const [y] = run('SelfAttention', { qkv }, { heads }) as [tf.Tensor];
    return [y, ...run('SelfAttentionGrad', { qkv, y, dy }, { heads })];
  };
}

describe('attention and its gradients equal the composition on the cpu backend', () => {
  test.each([
    [1, 1, 1, 1, 1, 1],
    [2, 3, 4, 5, 6, 7],
    [1, 2, 130, 66, 8, 4],
    [2, 1, 65, 131, 3, 33],
    [1, 1, 5, 300, 40, 9],
  ])('N %d, heads %d, T %d, S %d, D %d, E %d', async (n, heads, t, s, d, e) => {
    const inputs = [
      randomInput([n, heads, t, d], 1),
      randomInput([n, heads, s, d], 2),
      randomInput([n, heads, s, e], 3),
    ];
    await expectSameAsCpu(attentionAndGradients, [...inputs, randomInput([n, heads, t, e], 4)]);
  });

  test.each([
    [1, 1, 1, 1],
    [2, 3, 7, 5],
    [1, 2, 131, 8],
  ])('of heads side by side: N %d, heads %d, T %d, D %d', async (n, heads, t, d) => {
    const inputs = [randomInput([n, t, heads * 3 * d], 5), randomInput([n, t, heads * d], 6)];
    await expectSameAsCpu(selfAttentionAndGradient(heads), inputs);
  });
});

test('attention of logits far apart takes the largest, and NaN stays NaN', () => {
  const q = tf.tensor4d([300, 0], [1, 1, 1, 2]);
  const k = tf.tensor4d([300, 0, -300, 0, 299, 0], [1, 1, 3, 2]);
  const v = tf.tensor4d([7, 5, 3], [1, 1, 3, 1]);
  const attend = (x: tf.Tensor) =>
    Array.from((run('ScaledDotProductAttention', { q: x, k, v })[0] as tf.Tensor).dataSync());
  expect(attend(q)).toEqual([7]);
  expect(attend(tf.mul(q, Number.NaN))).toEqual([Number.NaN]);
});
