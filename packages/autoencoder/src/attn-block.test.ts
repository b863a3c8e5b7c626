import { randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AttnBlock } from './attn-block';

const style = { norm: 'group', normGroups: 2, init: 'torch', dropout: 0 } as const;
const input = tf.tidy(() => tf.randomNormal([2, 2, 3, 4], 0, 1, 'float32', 1) as tf.Tensor4D);

describeBackends(['cpu', 'wasm'], () => {
  test('gives every pixel the mean of the values where all queries are 0', async () => {
    const block = new AttnBlock(4, style);
    block.initialize(randomKey(1));
    const x = tf.clone(input);
    block.q.weight.load(new Float32Array(16));
    block.q.bias?.load(new Float32Array(4));
    const expected = tf.tidy(() => {
      const v = block.v.forward(block.norm?.forward(x) as tf.Tensor4D);
      const mean = tf.mul(tf.onesLike(v), tf.mean(v, [1, 2], true)) as tf.Tensor4D;
      return tf.add(x, block.projOut.forward(mean));
    });
    await expect(await expectTensors(1, () => block.forward(x))).toBeAllclose(expected);
    block.dispose();
  });

  test('the gradient is that of finite differences', async () => {
    for (const norm of ['group', 'none'] as const) {
      const block = new AttnBlock(4, { ...style, norm });
      await expectGradient((x) => block.forward(x as tf.Tensor4D), tf.clone(input));
      block.dispose();
    }
  });
});
