import { expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { linearCombination } from './linear-combination';

const x = tf.tensor1d([1, 2]);
const y = tf.tensor1d([10, 20]);

test('terms are scaled and added', async () => {
  const sum = await expectTensors(1, () => tf.tidy(() => linearCombination([2, x], [-0.5, y], [1, x])));
  await expect(sum).toBeAllclose([-2, -4]);
});

test('a term of coefficient 0 does not count, even where it is infinite', async () => {
  const infinite = tf.tensor1d([Number.POSITIVE_INFINITY, 0]);
  await expect(linearCombination([0, infinite], [3, x])).toBeAllclose([3, 6]);
  await expect(linearCombination([0, x])).toBeAllclose([0, 0], { absolute: 1e-30 });
});

test('a single term of coefficient 1 is a new tensor', async () => {
  const copy = linearCombination([1, x], [0, y]);
  copy.dispose();
  await expect(x).toBeAllclose([1, 2]);
});
