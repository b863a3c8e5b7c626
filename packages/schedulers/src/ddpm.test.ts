import { normal, randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ddpmScheduler, ddpmStep, type VarianceType } from './ddpm';
import { addNoise, trainingTarget } from './forward-process';
import { noiseSchedule } from './noise-schedule';
import { PREDICTION_TYPES } from './prediction';
import { dispatchesOf, grid } from './test-fixtures';

const shape: [number, number, number, number] = [2, 3, 2, 1];
const schedule = noiseSchedule();
const tensor = (k: number) => tf.tensor4d(grid(shape, k), shape);

describeBackends(['cpu', 'wasm'], () => {
  test.each([
    [700, 699],
    [700, 650],
    [1, 0],
    [0, -1],
  ])('a step from %d to %d draws from q(x_prev | x_t, x_0), by Bayes', async (t, tPrev) => {
    const a = schedule.alphasCumprod[t];
    const aPrev = tPrev < 0 ? 1 : schedule.alphasCumprod[tPrev];
    const alpha = a / aPrev;
    const [x0, x, z] = [grid(shape, 1), grid(shape, 2), grid(shape, 3)];
    // q(x_t | x_prev) = N(sqrt(alpha) x_prev, 1 - alpha) and q(x_prev | x_0) = N(sqrt(aPrev) x_0, 1 - aPrev)
    const precision = alpha / (1 - alpha) + 1 / (1 - aPrev);
    const expected = x0.map((clean, i) => {
      if (tPrev < 0) return clean;
      const mean = ((Math.sqrt(alpha) / (1 - alpha)) * x[i] + (Math.sqrt(aPrev) / (1 - aPrev)) * clean) / precision;
      return mean + z[i] / Math.sqrt(precision);
    });
    const [output, xt, noise] = [tensor(1), tensor(2), tensor(3)];
    const options = { x: xt, t, tPrev, schedule, predictionType: 'sample', noise } as const;
    const next = await expectTensors(1, () => ddpmStep(output, options));
    await expect(next).toBeAllclose(tf.tensor4d(expected, shape), 5e-6);
  });

  test('all prediction types take the same step', async () => {
    const [x0, eps, noise] = [tensor(1), tensor(2), tensor(3)];
    const t = 300;
    const x = addNoise(schedule, x0, eps, [t, t]);
    const steps = PREDICTION_TYPES.map((predictionType) => {
      const output = trainingTarget(schedule, x0, eps, [t, t], predictionType);
      return ddpmStep(output, { x, t, schedule, predictionType, noise });
    });
    await expect(steps[1]).toBeAllclose(steps[0], 1e-5);
    await expect(steps[2]).toBeAllclose(steps[0], 1e-5);
  });

  test('the variance is that of its type', async () => {
    const [zero, z] = [tf.zerosLike(tensor(1)), tensor(3)];
    const t = 300;
    const [a, aPrev] = [schedule.alphasCumprod[t], schedule.alphasCumprod[t - 1]];
    const beta = schedule.betas[t];
    const small = Math.sqrt(((1 - aPrev) / (1 - a)) * beta);
    const deviations = { fixed_small: small, fixed_small_log: small, fixed_large: Math.sqrt(beta) };
    for (const [varianceType, deviation] of Object.entries(deviations) as [VarianceType, number][]) {
      const next = ddpmStep(zero, { x: zero, t, schedule, varianceType, noise: z });
      await expect(next).toBeAllclose(tf.mul(z, deviation), 1e-6);
    }
  });

  test('a clipped step clips the predicted sample only', async () => {
    const [x0, x] = [tensor(1), tensor(2)];
    const t = 100;
    const options = { x, t, schedule, predictionType: 'sample', noise: tensor(3) } as const;
    const clipped = ddpmStep(x0, { ...options, clipping: { range: 0.4 } });
    await expect(clipped).toBeAllclose(ddpmStep(tf.clipByValue(x0, -0.4, 0.4), options), 1e-6);
  });

  test('a whole run has the variance that its steps predict, on a Gaussian whose best denoiser is known', async () => {
    // x_0 ~ N(0, 4): E[eps | x_t] = sqrt(1 - abar) x_t / (4 abar + 1 - abar), which is linear in x_t.
    const scheduler = ddpmScheduler({ clipSample: false, numTrainTimesteps: 100, betaEnd: 0.2, betaStart: 0.001 });
    const { alphasCumprod } = scheduler;
    const share = (t: number) => Math.sqrt(1 - alphasCumprod[t]) / (4 * alphasCumprod[t] + 1 - alphasCumprod[t]);
    let variance = 1;
    for (let t = 99; t >= 0; t--) {
      const { betas } = scheduler.schedule;
      const previous = t > 0 ? alphasCumprod[t - 1] : 1;
      const factor = (1 - (betas[t] / Math.sqrt(1 - alphasCumprod[t])) * share(t)) / Math.sqrt(1 - betas[t]);
      variance = factor ** 2 * variance + (t > 0 ? ((1 - previous) / (1 - alphasCumprod[t])) * betas[t] : 0);
    }
    const count = 8000;
    const x = normal(randomKey(5), [1, count]) as tf.Tensor2D;
    const best = (current: tf.Tensor2D, t: number) => tf.mul(current, share(t)) as tf.Tensor2D;
    const sample = await expectTensors(1, () => scheduler.sample(best, x, { steps: 100 }));
    const drawn = tf.moments(sample);
    expect(Math.abs((await drawn.mean.data())[0])).toBeLessThan(3.5 * Math.sqrt(variance / count));
    expect(Math.abs((await drawn.variance.data())[0] / variance - 1)).toBeLessThan(3.5 * Math.sqrt(2 / count));
    expect(variance).toBeGreaterThan(3.5); // of 4; the rest is what 100 steps lose
  });
});

test('a step is two dispatches with noise, and three without', async () => {
  await tf.setBackend('cpu');
  const scheduler = ddpmScheduler({ clipSample: false });
  const x = tensor(1);
  const noise = (n: number, of: number[]) => tf.tensor(grid(of, n), of);
  const dispatches = await dispatchesOf(() => scheduler.sample((input) => tf.clone(input), x, { steps: 5, noise }));
  expect(dispatches).toBe(4 * 2 + 3);
});

test('arguments are checked before any tensor is made', async () => {
  const x = tf.zeros([1, 2, 2, 1]) as tf.Tensor4D;
  const options = { x, t: 500, schedule, noise: x };
  await expectTensors(0, () => {
    expect(() => ddpmStep(x, { x, t: 500, schedule })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddpmStep: noise must be a tensor, as this step adds noise, got undefined]`,
    );
    expect(() => ddpmStep(x, { ...options, t: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddpmStep: t must be an integer in [0, 999], got -1]`,
    );
    expect(() => ddpmStep(x, { ...options, tPrev: 500 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddpmStep: tPrev must be an integer below 500, got 500]`,
    );
    expect(() =>
      ddpmStep(x, { ...options, varianceType: 'learned' as VarianceType }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddpmStep: varianceType must be one of fixed_small, fixed_small_log, fixed_large, got "learned"]`,
    );
    const rescaled = noiseSchedule({ rescaleBetasZeroSnr: true });
    expect(() => ddpmStep(x, { ...options, schedule: rescaled, t: 999 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddpmStep: predictionType must be v_prediction or sample where alphaCumprod is 0, got "epsilon"]`,
    );
    expect(() => ddpmScheduler({ varianceType: 'learned' as VarianceType })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddpmScheduler: varianceType must be one of fixed_small, fixed_small_log, fixed_large, got "learned"]`,
    );
    expect(() => ddpmScheduler().timesteps(0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: DDPMScheduler.timesteps: steps must be an integer >= 1, got 0]`,
    );
  });
  await expect(ddpmScheduler().sample((input) => tf.clone(input), x, { steps: 10, eta: 0 })).rejects.toMatchObject({
    message: 'DDPMScheduler.sample: eta must be left out, as DDPM has none, got 0',
  });
});
