import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { quickGelu } from './quick-gelu';

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('quickGelu is x sigmoid(1.702 x), with its gradient, and leaves one tensor', async () => {
    const values = [-4, -1, -0.2, 0, 0.5, 1, 3];
    const x = tf.tensor1d(values);
    const y = await expectTensors(1, () => quickGelu(x));
    await expect(y).toBeAllclose(values.map((value) => value / (1 + Math.exp(-1.702 * value))));
    await expectGradient((input) => quickGelu(input), x);
  });
});

test('quickGelu refuses what is disposed of', () => {
  const gone = tf.zeros([2]);
  gone.dispose();
  expect(() => quickGelu(gone)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: quickGelu: x must be a tensor that is not disposed, got [2]]`,
  );
});
