import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ClassEmbedder } from './class-embedder';
import { randomize } from './testing/randomize';

describeBackends(['cpu', 'wasm'], () => {
  test('gives one token for each label: its row', async () => {
    const embedder = randomize(new ClassEmbedder({ classes: 4, features: 3 }));
    const rows = await embedder.embedding.weight.read();
    const context = await expectTensors(1, () => embedder.forward([2, embedder.none]));
    expect(context.shape).toEqual([2, 1, 3]);
    await expect(context).toBeAllclose([...rows.slice(6, 9), ...rows.slice(9, 12)], 0);
  });

  test('is the context of a gradient', async () => {
    const embedder = randomize(new ClassEmbedder({ classes: 4, features: 3 }));
    const { grads } = tf.variableGrads(
      () => tf.sum(tf.square(embedder.forward([1, 1]))) as tf.Scalar,
      [embedder.embedding.weight.value],
    );
    const rows = await embedder.embedding.weight.read();
    const expected = rows.map((value, i) => (i >= 3 && i < 6 ? 4 * value : 0));
    await expect(grads[embedder.embedding.weight.value.name]).toBeAllclose(tf.tensor(expected, [4, 3]));
  });
});

test("is LDM's: 1001 labels, 512 wide, under cond_stage_model", async () => {
  const embedder = new ClassEmbedder();
  expect(embedder.parameterCount).toBe(1001 * 512);
  expect(embedder.none).toBe(1000);
  const small = randomize(new ClassEmbedder({ classes: 2, features: 2 }));
  const state = await small.stateDict({ prefix: 'cond_stage_model.' });
  expect([...state].map(([name, { shape }]) => `${name} [${shape}]`)).toEqual([
    'cond_stage_model.embedding.weight [2,2]',
  ]);
  const copy = new ClassEmbedder({ classes: 2, features: 2 }).loadStateDict(state);
  expect(copy.loadedLayout?.prefix).toBe('cond_stage_model.');
});

test('refuses labels out of range', () => {
  expect(() => new ClassEmbedder().forward([1001])).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: Embedding: index must be an integer in [0, 1001), got 1001]`,
  );
});
