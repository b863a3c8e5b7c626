import { normal, randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { CausalSelfAttention, causalMask } from './causal-self-attention';

describeBackends(['cpu', 'wasm'], () => {
  test('a token sees itself and those before it alone', async () => {
    const attention = new CausalSelfAttention({ channels: 6, heads: 2 }).initialize(randomKey(1));
    const mask = await expectTensors(1, () => causalMask(4));
    const x = normal(randomKey(2), [2, 4, 6]) as Tensor3D;
    const y = await expectTensors(1, () => attention.forward(x, mask));
    const start = tf.slice(x, [0, 0, 0], [2, 2, 6]) as Tensor3D;
    await expect(attention.forward(start, causalMask(2))).toBeAllclose(tf.slice(y, [0, 0, 0], [2, 2, 6]));
    // The first sees nothing but itself: the map of its value
    const first = tf.slice(x, [0, 0, 0], [2, 1, 6]) as Tensor3D;
    const alone = attention.outProj.forward(attention.vProj.forward(first));
    await expect(alone).toBeAllclose(tf.slice(y, [0, 0, 0], [2, 1, 6]));
  });

  test('its gradient is that of finite differences', async () => {
    const attention = new CausalSelfAttention({ channels: 6, heads: 3 }).initialize(randomKey(3));
    const mask = causalMask(5);
    const x = normal(randomKey(4), [2, 5, 6]);
    await expectGradient((input) => attention.forward(input as Tensor3D, mask), x);
  });
});

test('the mask is 0 up to the diagonal', async () => {
  expect(Array.from(await causalMask(3).data(), (value) => Object.is(Math.sign(value), -1))).toEqual(
    [0, 1, 1, 0, 0, 1, 0, 0, 0].map(Boolean),
  );
});
