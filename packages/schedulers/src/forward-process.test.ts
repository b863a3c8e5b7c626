import { describeBackends, expectGradient, expectTensors, goldenJson } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { addNoise, predictedNoise, predictedSample, snr, trainingTarget, velocity } from './forward-process';
import { noiseSchedule } from './noise-schedule';
import { PREDICTION_TYPES, type PredictionType } from './prediction';
import { schedulerFromConfig } from './scheduler-from-config';
import { grid } from './test-fixtures';

type Reference = {
  readonly shape: [number, number, number, number];
  readonly add_noise: readonly {
    readonly config: Readonly<Record<string, unknown>>;
    readonly t: readonly number[];
    readonly add_noise: readonly number[];
    readonly velocity: readonly number[];
  }[];
};

const reference = goldenJson<Reference>('schedulers.json');
const { shape } = reference;
const schedule = noiseSchedule({ betaSchedule: 'scaled_linear', betaStart: 0.0015, betaEnd: 0.0195 });

describeBackends(['cpu', 'wasm'], () => {
  test.each(reference.add_noise)(
    'addNoise and velocity agree with diffusers for $config.beta_schedule',
    async (golden) => {
      const scheduler = schedulerFromConfig({ _class_name: 'DDIMScheduler', ...golden.config });
      const x0 = tf.tensor4d(grid(shape, 7), shape);
      const noise = tf.tensor4d(grid(shape, 8), shape);
      const noisy = await expectTensors(1, () => scheduler.addNoise(x0, noise, golden.t));
      await expect(noisy).toBeAllclose(tf.tensor4d(golden.add_noise as number[], shape), 2e-6);
      const v = await expectTensors(1, () => scheduler.velocity(x0, noise, golden.t));
      await expect(v).toBeAllclose(tf.tensor4d(golden.velocity as number[], shape), 2e-6);
    },
  );

  test('predictions of the true target give back the sample and the noise, at a t of its own for each', async () => {
    const x0 = tf.tensor4d(grid([4, 2, 3, 1], 7), [4, 2, 3, 1]);
    const noise = tf.tensor4d(grid([4, 2, 3, 1], 8), [4, 2, 3, 1]);
    const t = [0, 500, 250, 700];
    const x = addNoise(schedule, x0, noise, t);
    for (const type of PREDICTION_TYPES) {
      const output = await expectTensors(1, () => trainingTarget(schedule, x0, noise, t, type));
      const sample = await expectTensors(1, () => predictedSample(schedule, output, x, t, type));
      await expect(sample).toBeAllclose(x0, 1e-5);
      const eps = await expectTensors(1, () => predictedNoise(schedule, output, x, t, type));
      await expect(eps).toBeAllclose(noise, 1e-5);
    }
  });

  test('trainingTarget is the noise, the sample or the velocity', async () => {
    const x0 = tf.tensor2d(grid([2, 3], 1), [2, 3]);
    const noise = tf.tensor2d(grid([2, 3], 2), [2, 3]);
    await expect(trainingTarget(schedule, x0, noise, [3, 4], 'epsilon')).toBeAllclose(noise);
    await expect(trainingTarget(schedule, x0, noise, [3, 4], 'sample')).toBeAllclose(x0);
    const v = trainingTarget(schedule, x0, noise, [3, 4], 'v_prediction');
    await expect(v).toBeAllclose(velocity(schedule, x0, noise, [3, 4]), 0);
    trainingTarget(schedule, x0, noise, [3, 4], 'sample').dispose();
    expect(x0.isDisposed).toBe(false);
  });

  test('gradients agree with finite differences', async () => {
    const a = tf.tensor(grid([2, 2, 2, 1], 1), [2, 2, 2, 1]);
    const b = tf.tensor(grid([2, 2, 2, 1], 2), [2, 2, 2, 1]);
    const t = [100, 600];
    await expectGradient((x0, noise) => addNoise(schedule, x0, noise, t), [a, b]);
    await expectGradient((x0, noise) => velocity(schedule, x0, noise, t), [a, b]);
    for (const type of PREDICTION_TYPES) {
      await expectGradient(
        (x0, noise) => tf.add(trainingTarget(schedule, x0, noise, t, type), tf.mul(x0, noise)),
        [a, b],
      );
    }
    for (const type of ['epsilon', 'v_prediction'] as const) {
      await expectGradient((output, x) => predictedSample(schedule, output, x, t, type), [a, b]);
    }
    for (const type of ['sample', 'v_prediction'] as const) {
      await expectGradient((output, x) => predictedNoise(schedule, output, x, t, type), [a, b]);
    }
  });
});

test('x_t has variance abar_t Var(x_0) + 1 - abar_t', async () => {
  const x0 = tf.mul(tf.tensor(grid([1, 5000], 1), [1, 5000]), 2);
  const noise = tf.tensor(grid([1, 5000], 2), [1, 5000]);
  for (const t of [10, 250, 900]) {
    const variance = (await tf.moments(addNoise(schedule, x0, noise, [t])).variance.data())[0];
    const expected = 1 + 3 * schedule.alphasCumprod[t];
    expect(Math.abs(variance / expected - 1)).toBeLessThan(3.5 * Math.sqrt(2 / 5000)); // standard errors of a variance
  }
});

test('snr is the ratio of the variances of signal and noise', () => {
  for (const t of [0, 10, 999]) {
    const alphaCumprod = schedule.alphasCumprod[t];
    expect(snr(schedule, t)).toBeCloseTo(alphaCumprod / (1 - alphaCumprod), 12);
  }
  const rescaled = noiseSchedule({ rescaleBetasZeroSnr: true });
  expect(snr(rescaled, 999)).toBe(0);
});

test('arguments are checked before any tensor is made', async () => {
  const x = tf.zeros([2, 3]);
  const other = tf.zeros([3, 3]);
  const scalar = tf.scalar(1);
  const gone = tf.zeros([2, 3]);
  gone.dispose();
  const rescaled = noiseSchedule({ rescaleBetasZeroSnr: true });
  await expectTensors(0, () => {
    expect(() => addNoise(schedule, x, other, [1, 2])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: addNoise: noise must be [2, 3], got [3, 3]]`,
    );
    expect(() => addNoise(schedule, x, x, [1])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: addNoise: t must be 2 timesteps, one per sample of x0, got [1]]`,
    );
    expect(() => addNoise(schedule, x, x, [1, 1000])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: addNoise: t must be an integer in [0, 999], got 1000]`,
    );
    expect(() => addNoise(schedule, x, x, [1, 0.5])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: addNoise: t must be an integer in [0, 999], got 0.5]`,
    );
    expect(() => addNoise(schedule, gone, x, [1, 2])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: addNoise: x0 must be a tensor that is not disposed, got [2, 3]]`,
    );
    expect(() => addNoise(schedule, x, gone, [1, 2])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: addNoise: noise must be a tensor that is not disposed, got [2, 3]]`,
    );
    expect(() => addNoise(schedule, scalar, scalar, [1])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: addNoise: x0 must be [N, ...], got []]`,
    );
    expect(() => velocity(schedule, x, x, [-1, 2])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: velocity: t must be an integer in [0, 999], got -1]`,
    );
    expect(() => trainingTarget(schedule, x, x, [1, 1000], 'epsilon')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: trainingTarget: t must be an integer in [0, 999], got 1000]`,
    );
    expect(() => trainingTarget(schedule, x, x, [1, 2], 'flow' as PredictionType)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: trainingTarget: predictionType must be one of epsilon, v_prediction, sample, flow_prediction, got "flow"]`,
    );
    expect(() => predictedSample(schedule, x, other, [1, 2], 'epsilon')).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: predictedSample: x must be [2, 3], got [3, 3]]`,
    );
    expect(() => predictedSample(rescaled, x, x, [1, 999], 'epsilon')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: predictedSample: predictionType must be v_prediction or sample where alphaCumprod is 0, got "epsilon"]`,
    );
    expect(() => predictedNoise(schedule, x, x, [1, 2], 'flow' as PredictionType)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: predictedNoise: predictionType must be one of epsilon, v_prediction, sample, flow_prediction, got "flow"]`,
    );
    expect(() => snr(schedule, 1000)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: snr: t must be an integer in [0, 999], got 1000]`,
    );
  });
});
