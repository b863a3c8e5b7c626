import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Embedding } from './embedding';
import { ofParameters, parameterTensors, randomized } from './test-values';

describeBackends(['cpu', 'wasm'], () => {
  test('Embedding looks rows up, repeated ones too, and leaves one tensor', async () => {
    const layer = randomized(new Embedding({ count: 5, features: 3 }));
    const weight = await layer.weight.read();
    const indices = [4, 0, 4, 2];
    const y = await expectTensors(1, () => layer.forward(indices));
    expect(y.shape).toEqual([4, 3]);
    const expected = indices.flatMap((index) => [...weight.slice(3 * index, 3 * index + 3)]);
    await expect(y).toBeAllclose(expected, 0);
  });

  test('the gradient of Embedding adds up repeated rows', async () => {
    const layer = randomized(new Embedding({ count: 5, features: 3 }));
    const forward = ofParameters(layer, () => layer.forward([4, 0, 4, 2]));
    const [weight] = parameterTensors(layer);
    const dy = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [4, 3]);
    const gradient = tf.grad((w: tf.Tensor) => forward(w, w));
    const dw = await expectTensors(1, () => gradient(weight, dy));
    await expect(dw).toBeAllclose([4, 5, 6, 0, 0, 0, 10, 11, 12, 0, 0, 0, 8, 10, 12]);
    await expectGradient((w) => forward(w, w), weight);
  });

  test('Embedding of nothing is empty', () => {
    expect(new Embedding({ count: 5, features: 3 }).forward([]).shape).toEqual([0, 3]);
  });
});

describe('errors', () => {
  test('of an index and of the configuration', () => {
    const layer = new Embedding({ count: 5, features: 3 });
    expect(() => layer.forward([0, 5])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Embedding: index must be an integer in [0, 5), got 5]`,
    );
    expect(() => layer.forward([-1])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Embedding: index must be an integer in [0, 5), got -1]`,
    );
    expect(() => layer.forward([0.5])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Embedding: index must be an integer in [0, 5), got 0.5]`,
    );
    expect(layer.weight.isAllocated).toBe(false);
    expect(() => new Embedding({ count: 0, features: 3 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Embedding: count must be an integer >= 1, got 0]`,
    );
    expect(() => new Embedding({ count: 5, features: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Embedding: features must be an integer >= 1, got 0]`,
    );
  });
});

test('a table starts as standard normal noise', async () => {
  const values = await new Embedding({ count: 100, features: 40 }).weight.read();
  const mean = values.reduce((sum, v) => sum + v) / values.length;
  const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(4000));
  expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / 4000));
});
