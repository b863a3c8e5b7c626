import { readSafetensors, toFloat32 } from '@sd/checkpoint';
import { describeBackends, expectTensors, golden } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { timestepEmbedding } from './timestep-embedding';

const { tensors } = readSafetensors(golden('training.safetensors'));
const steps = [0, 1, 500, 999];

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test.each([32, 33])('numbers give the reference, cosines first, %i wide', async (dim) => {
    const y = await expectTensors(1, () => timestepEmbedding(steps, dim));
    await expect(y).toBeAllclose(tf.tensor(toFloat32(tensors.get(`timestep_embedding/${dim}`)!), [4, dim]));
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test.each(['int32', 'float32'] as const)('a tensor of %s gives what its numbers give', async (dtype) => {
    const t = tf.tensor1d(steps, dtype);
    const y = await expectTensors(1, () => timestepEmbedding(t, 33));
    await expect(y).toBeAllclose(timestepEmbedding(steps, 33));
  });
});

test('between two steps the embedding lies between theirs', async () => {
  const [first, half] = (await timestepEmbedding([0.5, 0.25], 2).array()).flat();
  expect(first).toBeCloseTo(Math.cos(0.5), 6);
  expect(half).toBeCloseTo(Math.sin(0.5), 6);
});

test('refuses steps that are not finite, other ranks, and no room', () => {
  expect(() => timestepEmbedding([1, Number.NaN], 8)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: timestepEmbedding: t must be finite numbers, got [1, NaN]]`,
  );
  expect(() => timestepEmbedding(tf.zeros([2, 1]) as tf.Tensor as tf.Tensor1D, 8)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: timestepEmbedding: t must be [N], got [2, 1]]`,
  );
  expect(() => timestepEmbedding([1], 1)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: timestepEmbedding: dim must be an integer >= 2, got 1]`,
  );
});
