import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectSameAsCpu, randomInput, wasmBackend } from '../compare-with-cpu';
import { registerWasmTrainingKernels } from '../index';

beforeAll(async () => {
  registerWasmTrainingKernels();
  await wasmBackend();
});

/** log(1 + exp(x)) and erf(x) in double precision, the latter by its series and its continued fraction. */
function erf64(x: number): number {
  const a = Math.abs(x);
  if (a > 3) {
    let f = 0;
    for (let k = 60; k > 0; k--) f = k / 2 / (a + f);
    return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + f)));
  }
  let term = x;
  let sum = x;
  for (let k = 1; k < 100; k++) {
    term *= (-x * x) / k;
    sum += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const cases: [string, (x: tf.Tensor) => tf.Tensor, (x: number) => number, number, number][] = [
  ['exp', tf.exp, Math.exp, -103, 88.7],
  ['log', tf.log, Math.log, 1e-30, 1e3],
  ['tanh', tf.tanh, Math.tanh, -12, 12],
  ['erf', tf.erf, erf64, -5, 5],
  ['softplus', tf.softplus, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), -80, 80],
];

describe('functions of floats keep their precision for small results too', () => {
  test.each(cases)('%s to 1e-6 of each value', async (_, op, reference, low, high) => {
    await wasmBackend();
    const count = 40_003; // no multiple of four
    const x = Float32Array.from({ length: count }, (_, i) => {
      const wide = low + ((high - low) * i) / (count - 1);
      return i % 3 === 0 && low < 0 ? wide * 1e-3 : wide;
    });
    const y = tf.tidy(() => op(tf.tensor1d(x)));
    const got = y.dataSync();
    y.dispose();
    let worst = 0;
    for (const [i, value] of got.entries()) {
      const expected = reference(x[i] as number);
      // Below 1e-37 float32 itself has fewer digits.
      worst = Math.max(worst, Math.abs(value - expected) / Math.max(Math.abs(expected), 1e-37));
      if (Number.isNaN(value)) worst = Number.POSITIVE_INFINITY;
    }
    expect(worst).toBeLessThan(1e-6);
  });

  test('at the ends: infinities, zero, NaN, overflow', async () => {
    await wasmBackend();
    const ends = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN, 0, 1000, -1000];
    const of = (op: (x: tf.Tensor) => tf.Tensor) => {
      const y = tf.tidy(() => op(tf.tensor1d(ends)));
      const values = Array.from(y.dataSync());
      y.dispose();
      return values;
    };
    const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
    expect(of(tf.exp)).toEqual([0, inf, nan, 1, inf, 0]);
    expect(of(tf.log).slice(0, 5)).toEqual([nan, inf, nan, -inf, Math.fround(Math.log(1000))]);
    expect(of(tf.tanh)).toEqual([-1, 1, nan, 0, 1, -1]);
    expect(of(tf.erf)).toEqual([-1, 1, nan, 0, 1, -1]);
    expect(of(tf.softplus)).toEqual([0, inf, nan, Math.fround(Math.LN2), 1000, 0]);
  });

  test('and gradients equal those of the cpu backend', async () => {
    for (const op of [tf.exp, tf.tanh, tf.erf, tf.softplus, tf.leakyRelu, (x: tf.Tensor) => tf.log(tf.abs(x))]) {
      await expectSameAsCpu(
        (x) => [op(x as tf.Tensor), tf.grad((a) => tf.sum(op(a)))(x as tf.Tensor)],
        [randomInput([3, 7, 5], 3, 3)],
      );
    }
  });
});
