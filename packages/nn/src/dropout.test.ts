import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { dropout } from './dropout';
import { noise } from './test-values';

describeBackends(['cpu', 'wasm'], () => {
  test('dropout zeroes its share and scales the rest; the key decides which', async () => {
    const x = tf.ones([100, 100]);
    const y = await expectTensors(1, () => dropout(x, 0.3, randomKey(1)));
    const values = await y.data();
    const kept = values.filter((v) => v !== 0);
    expect(Math.abs(kept.length / 10_000 - 0.7)).toBeLessThan(4 * Math.sqrt((0.3 * 0.7) / 10_000));
    await expect(kept).toBeAllclose(kept.map(() => 1 / 0.7));
    await expect(dropout(x, 0.3, randomKey(1))).toBeAllclose(y, 0);
    const other = await dropout(x, 0.3, randomKey(2)).data();
    expect(other.some((v, i) => v !== values[i])).toBe(true);
  });

  test('the gradient of dropout is its mask', async () => {
    const x = noise(1, [20, 20]);
    const mask = tf.div(dropout(x, 0.5, randomKey(3)), x);
    const gradient = tf.grad((a: tf.Tensor) => dropout(a, 0.5, randomKey(3)));
    await expect(await expectTensors(1, () => gradient(x))).toBeAllclose(mask, 1e-6);
  });

  test('without a key or at rate 0 nothing is dropped, and the result is the caller’s own', async () => {
    const x = noise(2, [4, 4]);
    for (const y of [dropout(x, 0.5), dropout(x, 0, randomKey(1))]) {
      await expect(y).toBeAllclose(x, 0);
      y.dispose();
    }
    expect(x.isDisposed).toBe(false);
  });
});

test('dropout refuses rates outside [0, 1) and a disposed input', () => {
  const x = tf.zeros([2]);
  expect(() => dropout(x, 1, randomKey(1))).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: dropout: rate must be a number in [0, 0.9999990463256836], got 1]`,
  );
  expect(() => dropout(x, -0.1, randomKey(1))).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: dropout: rate must be a number in [0, 0.9999990463256836], got -0.1]`,
  );
  expect(() => dropout(x, Number.NaN)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: dropout: rate must be a number in [0, 0.9999990463256836], got NaN]`,
  );
  x.dispose();
  expect(() => dropout(x, 0.5)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: dropout: x must be a tensor that is not disposed, got [2]]`,
  );
});
