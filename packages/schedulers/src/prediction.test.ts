import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { convertPrediction, PREDICTION_TYPES, type PredictionType } from './prediction';
import { grid } from './test-fixtures';

const shape = [2, 3, 2, 1];

/** All predictions at one x_t, in float64, from x_0 and eps by their definitions. */
function truth(alphaCumprod: number): { x: number[] } & Record<PredictionType, number[]> {
  const [x0, eps] = [grid(shape, 1), grid(shape, 2)];
  const [a, s] = [Math.sqrt(alphaCumprod), Math.sqrt(1 - alphaCumprod)];
  const combined = (p: number, q: number) => Array.from(x0, (value, i) => p * value + q * eps[i]);
  return {
    x: combined(a, s),
    sample: Array.from(x0),
    epsilon: Array.from(eps),
    v_prediction: combined(-s, a),
    flow_prediction: combined(-1, 1),
  };
}

describeBackends(['cpu', 'wasm'], () => {
  test.each([0.1, 0.5, 0.9])(
    'the sixteen conversions agree with their definitions at abar = %d',
    async (alphaCumprod) => {
      const expected = truth(alphaCumprod);
      const x = tf.tensor(expected.x, shape);
      for (const from of PREDICTION_TYPES) {
        for (const to of PREDICTION_TYPES) {
          const output = tf.tensor(expected[from], shape);
          const converted = await expectTensors(1, () => convertPrediction(output, { x, alphaCumprod, from, to }));
          await expect(converted).toBeAllclose(tf.tensor(expected[to], shape), 2e-6);
        }
      }
    },
  );

  test('pure noise and pure signal convert wherever the answer is determined', async () => {
    const atNoise = truth(0);
    const v = tf.tensor(atNoise.v_prediction, shape);
    const x = tf.tensor(atNoise.x, shape);
    const options = { x, alphaCumprod: 0, from: 'v_prediction' } as const;
    await expect(convertPrediction(v, { ...options, to: 'sample' })).toBeAllclose(atNoise.sample);
    await expect(convertPrediction(v, { ...options, to: 'epsilon' })).toBeAllclose(atNoise.epsilon);
    const atSignal = truth(1);
    const eps = tf.tensor(atSignal.epsilon, shape);
    const signal = tf.tensor(atSignal.x, shape);
    const back = convertPrediction(eps, { x: signal, alphaCumprod: 1, from: 'epsilon', to: 'sample' });
    await expect(back).toBeAllclose(atSignal.sample);
  });
});

test('the result is never the argument itself', () => {
  const output = tf.tensor(grid(shape, 1), shape);
  const same = convertPrediction(output, { x: output, alphaCumprod: 0.5, from: 'epsilon', to: 'epsilon' });
  same.dispose();
  expect(output.isDisposed).toBe(false);
});

test('arguments are checked before any tensor is made', async () => {
  const output = tf.zeros([2, 3]);
  const x = tf.zeros([2, 3]);
  const other = tf.zeros([2, 4]);
  const gone = tf.zeros([2, 3]);
  gone.dispose();
  const options = { x, alphaCumprod: 0.5, from: 'epsilon', to: 'sample' } as const;
  await expectTensors(0, () => {
    expect(() => convertPrediction(output, { ...options, x: other })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: convertPrediction: x must be [2, 3], got [2, 4]]`,
    );
    expect(() => convertPrediction(gone, options)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: convertPrediction: output must be a tensor that is not disposed, got [2, 3]]`,
    );
    expect(() => convertPrediction(output, { ...options, x: gone })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: convertPrediction: x must be a tensor that is not disposed, got [2, 3]]`,
    );
    expect(() => convertPrediction(output, { ...options, alphaCumprod: 1.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: convertPrediction: alphaCumprod must be a number in [0, 1], got 1.5]`,
    );
    expect(() => convertPrediction(output, { ...options, alphaCumprod: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: convertPrediction: predictionType must be v_prediction or sample where alphaCumprod is 0, got "epsilon"]`,
    );
    expect(() =>
      convertPrediction(output, { ...options, alphaCumprod: 1, from: 'sample', to: 'epsilon' }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: convertPrediction: predictionType must be epsilon or v_prediction where alphaCumprod is 1, got "sample"]`,
    );
    expect(() =>
      convertPrediction(output, { ...options, from: 'v' as PredictionType }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: convertPrediction: predictionType must be one of epsilon, v_prediction, sample, flow_prediction, got "v"]`,
    );
    expect(() =>
      convertPrediction(output, { ...options, to: 'x0' as PredictionType }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: convertPrediction: predictionType must be one of epsilon, v_prediction, sample, flow_prediction, got "x0"]`,
    );
  });
});
