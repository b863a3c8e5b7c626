import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { gelu } from './gelu';
import { noise } from './test-values';

/** erf by its series, which converges everywhere and is exact to float64 for |x| < 3. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 80; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

describeBackends(['cpu', 'wasm'], () => {
  test('gelu is x times the normal distribution function and leaves one tensor', async () => {
    const values = Float32Array.from({ length: 81 }, (_, i) => (i - 40) / 10);
    const x = tf.tensor1d(values);
    const y = await expectTensors(1, () => gelu(x));
    await expect(y).toBeAllclose(Array.from(values, (v) => (v / 2) * (1 + erf(v / Math.SQRT2))));
  });

  test('the gradient of gelu is that of finite differences and leaves one tensor', async () => {
    const x = noise(1, [4, 5, 3], 1.5);
    await expectTensors(1, () => tf.grad((a: tf.Tensor) => gelu(a))(x));
    await expectGradient(gelu, x);
  });
});

test('gelu names a disposed input', () => {
  const x = tf.zeros([2, 3]);
  x.dispose();
  expect(() => gelu(x)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: gelu: x must be a tensor that is not disposed, got [2, 3]]`,
  );
});
