import { normal, randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AttentionBlock } from './attention-block';
import { randomize } from './testing/randomize';

/** LDM's QKVAttentionLegacy by its definition, one number after the other. rows: `[N][T][C]`, normalized. */
function attentionByHand(block: AttentionBlock, rows: number[][][], weights: Map<string, number[]>): number[][][] {
  const { channels, heads } = block.config;
  const depth = channels / heads;
  const linear = (x: number[], name: string, outputs: number) =>
    Array.from({ length: outputs }, (_, o) =>
      x.reduce(
        (sum, value, i) => sum + value * weights.get(`${name}.weight`)![o * x.length + i],
        weights.get(`${name}.bias`)![o],
      ),
    );
  return rows.map((tokens) => {
    const qkv = tokens.map((token) => linear(token, 'qkv', 3 * channels));
    const attended = tokens.map(() => new Array<number>(channels).fill(0));
    for (let head = 0; head < heads; head++) {
      const part = (token: number, which: number) => qkv[token].slice((3 * head + which) * depth).slice(0, depth);
      for (let i = 0; i < tokens.length; i++) {
        const logits = tokens.map(
          (_, j) => part(i, 0).reduce((dot, q, d) => dot + q * part(j, 1)[d], 0) / Math.sqrt(depth),
        );
        const exponentials = logits.map((logit) => Math.exp(logit));
        const total = exponentials.reduce((sum, value) => sum + value, 0);
        for (let j = 0; j < tokens.length; j++) {
          for (let d = 0; d < depth; d++) attended[i][head * depth + d] += (exponentials[j] / total) * part(j, 2)[d];
        }
      }
    }
    return attended.map((token) => linear(token, 'proj_out', channels));
  });
}

describeBackends(['cpu', 'wasm'], () => {
  test.each([1, 3])('%i heads attend as the definition says, and the input is added', async (heads) => {
    const block = randomize(new AttentionBlock({ channels: 6, heads, groups: 2, eps: 1e-5 }));
    const x = normal(randomKey(1), [2, 2, 3, 6]) as tf.Tensor4D;
    const normalized = tf.reshape(block.norm!.forward(x), [2, 6, 6]) as tf.Tensor3D;
    const weights = new Map<string, number[]>();
    for (const [name, parameter] of block.parameters()) weights.set(name, [...(await parameter.read())]);
    const expected = attentionByHand(block, await normalized.array(), weights);
    const y = await expectTensors(1, () => block.forward(x));
    await expect(y).toBeAllclose(tf.add(x, tf.reshape(tf.tensor3d(expected), x.shape)));
  });

  test('its gradient is that of finite differences', async () => {
    const block = randomize(new AttentionBlock({ channels: 4, heads: 2, groups: 2, eps: 1e-5 }));
    const x = normal(randomKey(2), [1, 3, 3, 4]) as tf.Tensor4D;
    await expectGradient((input) => block.forward(input as tf.Tensor4D), x);
  });
});

test('starts as the identity', async () => {
  const x = normal(randomKey(1), [1, 2, 2, 8]) as tf.Tensor4D;
  await expect(new AttentionBlock({ channels: 8, heads: 2, groups: 4, eps: 1e-5 }).forward(x)).toBeAllclose(x, 0);
});
