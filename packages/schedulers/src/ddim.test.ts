import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { ddimScheduler, ddimStep, ldmDdimConfig } from './ddim';
import { ddpmStep } from './ddpm';
import { addNoise, trainingTarget } from './forward-process';
import { noiseSchedule } from './noise-schedule';
import { PREDICTION_TYPES } from './prediction';
import { DDPM_PREDICTION_TYPES } from './scheduler-config';
import { schedulerFromConfig } from './scheduler-from-config';
import { dispatchesOf, grid, referenceModel } from './test-fixtures';

const shape: [number, number, number, number] = [2, 3, 2, 1];
const schedule = noiseSchedule({ betaSchedule: 'scaled_linear', betaStart: 0.0015, betaEnd: 0.0195 });
const latents = { betaSchedule: 'scaled_linear', betaStart: 0.0015, betaEnd: 0.0195, clipSample: false } as const;
const tensor = (k: number) => tf.tensor4d(grid(shape, k), shape);

describeBackends(['cpu', 'wasm'], () => {
  test('a step follows equations (12) and (16) of the paper, for every prediction type', async () => {
    const [t, tPrev, eta] = [701, 640, 0.7];
    const [a, aPrev] = [schedule.alphasCumprod[t], schedule.alphasCumprod[tPrev]];
    const sigma = eta * Math.sqrt((1 - aPrev) / (1 - a)) * Math.sqrt(1 - a / aPrev);
    const [x0, eps, z] = [1, 2, 3].map((k) => grid(shape, k));
    const expected = x0.map(
      (value, i) => Math.sqrt(aPrev) * value + Math.sqrt(1 - aPrev - sigma ** 2) * eps[i] + sigma * z[i],
    );
    const [sample, noise, draw] = [tensor(1), tensor(2), tensor(3)];
    const x = addNoise(schedule, sample, noise, [t, t]);
    for (const predictionType of PREDICTION_TYPES) {
      const output = trainingTarget(schedule, sample, noise, [t, t], predictionType);
      const options = { x, t, tPrev, schedule, predictionType, eta, noise: draw };
      const next = await expectTensors(1, () => ddimStep(output, options));
      await expect(next).toBeAllclose(tf.tensor4d(expected, shape));
    }
  });

  test('a clipped step keeps the predicted noise, or derives it again from the clipped sample', async () => {
    const [t, tPrev] = [501, 401];
    const [a, aPrev] = [schedule.alphasCumprod[t], schedule.alphasCumprod[tPrev]];
    const [x, output] = [grid(shape, 1), grid(shape, 2)];
    const clipped = x.map((value, i) => {
      return Math.min(Math.max((value - Math.sqrt(1 - a) * output[i]) / Math.sqrt(a), -0.5), 0.5);
    });
    const step = (eps: (i: number) => number) =>
      clipped.map((x0, i) => Math.sqrt(aPrev) * x0 + Math.sqrt(1 - aPrev) * eps(i));
    const prediction = tensor(2);
    const options = { x: tensor(1), t, tPrev, schedule, clipping: { range: 0.5 } };
    const kept = await expectTensors(1, () => ddimStep(prediction, options));
    await expect(kept).toBeAllclose(step((i) => output[i]));
    const derived = await expectTensors(1, () => ddimStep(prediction, { ...options, useClippedOutput: true }));
    await expect(derived).toBeAllclose(step((i) => (x[i] - Math.sqrt(a) * clipped[i]) / Math.sqrt(1 - a)));
    const unclipped = { ...options, clipping: null };
    const plain = ddimStep(prediction, unclipped);
    await expect(ddimStep(prediction, { ...unclipped, useClippedOutput: true })).toBeAllclose(plain, 1e-5);
  });

  test('with eta = 1 a step is that of DDPM', async () => {
    const [x, output, noise] = [tensor(1), tensor(2), tensor(3)];
    for (const [t, tPrev] of [
      [900, 880],
      [500, 499],
      [20, 0],
    ] as const) {
      const options = { x, t, tPrev, schedule, noise };
      await expect(ddimStep(output, { ...options, eta: 1 })).toBeAllclose(ddpmStep(output, options), 1e-6);
    }
  });

  test('gradients agree with finite differences', async () => {
    const options = { t: 501, tPrev: 401, schedule, eta: 0.5 };
    await expectGradient(
      (output, x, noise) => ddimStep(output, { ...options, x, noise }),
      [tensor(1), tensor(2), tensor(3)],
    );
  });

  test.each(DDPM_PREDICTION_TYPES)(
    'with the true noise, sampling returns the clean image (%s)',
    async (predictionType) => {
      const [x0, noise] = [tensor(1), tensor(2)];
      for (const timestepSpacing of ['leading', 'trailing', 'linspace'] as const) {
        const scheduler = ddimScheduler({ ...latents, predictionType, timestepSpacing });
        const [first] = scheduler.timesteps(20);
        const x = scheduler.addNoise(x0, noise, [first, first]);
        // The predictions of one who knows x_0: its noise is what is left of x_t.
        const model = (current: tf.Tensor4D, t: number) =>
          tf.tidy(() => {
            const a = scheduler.alphasCumprod[t];
            const eps = tf.div(tf.sub(current, tf.mul(x0, Math.sqrt(a))), Math.sqrt(1 - a)) as tf.Tensor4D;
            return scheduler.trainingTarget(x0, eps, [t, t]);
          });
        await expect(await scheduler.sample(model, x, { steps: 20 })).toBeAllclose(x0, 1e-5);
      }
    },
  );
});

describe('LDM', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  /** latent-diffusion's own sampler, as in ldm/models/diffusion/ddim.py, in float64. */
  function ldmSample(steps: number, eta: number): Float64Array {
    const stride = Math.floor(1000 / steps);
    const timesteps: number[] = [];
    for (let t = 0; t < 1000; t += stride) timesteps.push(t + 1);
    const { alphasCumprod } = schedule;
    const x = Float64Array.from(grid(shape, 1));
    for (let index = timesteps.length - 1; index >= 0; index--) {
      const t = timesteps[index];
      const a = alphasCumprod[t];
      const aPrev = index > 0 ? alphasCumprod[timesteps[index - 1]] : alphasCumprod[0];
      const sigma = eta * Math.sqrt(((1 - aPrev) / (1 - a)) * (1 - a / aPrev));
      const z = grid(shape, 100 + timesteps.length - index);
      for (let i = 0; i < x.length; i++) {
        const e = 0.6 * x[i] + 0.25 * Math.sin(3 * x[i] + t / 200);
        const x0 = (x[i] - Math.sqrt(1 - a) * e) / Math.sqrt(a);
        x[i] = Math.sqrt(aPrev) * x0 + Math.sqrt(1 - aPrev - sigma ** 2) * e + sigma * z[i];
      }
    }
    return x;
  }

  const noise = (n: number, of: number[]) => tf.tensor(grid(of, 100 + n), of);

  test.each([
    [10, 0],
    [10, 1],
    [200, 0],
    [200, 1],
    [240, 0],
    [7, 1],
  ])("ldmDdimConfig gives LDM's samples for %d steps, eta %d", async (steps, eta) => {
    const scheduler = ddimScheduler(ldmDdimConfig());
    const sample = await scheduler.sample(referenceModel, tensor(1), { steps, eta, noise });
    await expect(sample).toBeAllclose(ldmSample(steps, eta), 1e-5);
  });

  test("diffusers' own fields give the same where the step count divides the training steps", async () => {
    const ldm = ddimScheduler(ldmDdimConfig());
    const diffusers = schedulerFromConfig({
      _class_name: 'DDIMScheduler',
      beta_schedule: 'scaled_linear',
      beta_start: 0.0015,
      beta_end: 0.0195,
      steps_offset: 1,
      set_alpha_to_one: false,
      clip_sample: false,
    });
    for (const steps of [1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500]) {
      expect(ldm.timesteps(steps)).toEqual(diffusers.timesteps(steps));
    }
    const options = { steps: 50, eta: 1, noise };
    const [a, b] = [tensor(1), tensor(1)];
    const ours = await ldm.sample(referenceModel, a, options);
    await expect(await diffusers.sample(referenceModel, b, options)).toBeAllclose(ours, 0);
    expect(() => ldm.timesteps(1000)).toThrow('stays within 999'); // as LDM fails there
  });

  test('ldmDdimConfig takes changes', () => {
    expect(ldmDdimConfig({ betaEnd: 0.0155 })).toEqual({ ...ldmDdimConfig(), betaEnd: 0.0155 });
  });
});

describe('dispatches', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  const steps = 4;
  const free = (x: tf.Tensor4D) => tf.clone(x); // a model without kernels of its own but Identity
  const perStep = async (config: Parameters<typeof ddimScheduler>[0], eta = 0) => {
    const x = tensor(1);
    const scheduler = ddimScheduler({ ...latents, ...config });
    const noise = (n: number, of: number[]) => tf.tensor(grid(of, n), of);
    return (await dispatchesOf(() => scheduler.sample(free, x, { steps, eta, noise }))) / steps;
  };

  test('a step of DDIM is three, whatever the prediction, with noise or without', async () => {
    for (const predictionType of DDPM_PREDICTION_TYPES)
      expect(await perStep({ predictionType })).toBeLessThanOrEqual(3);
    expect(await perStep({})).toBe(3);
    expect(await perStep({ setAlphaToOne: false, stepsOffset: 1 }, 1)).toBe(2);
  });

  test('clipping costs four more', async () => {
    expect(await perStep({ clipSample: true, setAlphaToOne: false, stepsOffset: 1 })).toBe(7);
  });
});

test('arguments are checked before any tensor is made', async () => {
  const x = tf.zeros([1, 2, 2, 1]) as tf.Tensor4D;
  const other = tf.zeros([1, 2, 2, 2]) as tf.Tensor4D;
  const gone = tf.zeros([1, 2, 2, 1]) as tf.Tensor4D;
  gone.dispose();
  const options = { x, t: 500, tPrev: 400, schedule };
  await expectTensors(0, () => {
    expect(() => ddimStep(other, options)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: ddimStep: output must be [1, 2, 2, 1], got [1, 2, 2, 2]]`,
    );
    expect(() => ddimStep(gone, options)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimStep: output must be a tensor that is not disposed, got [1, 2, 2, 1]]`,
    );
    expect(() => ddimStep(x, { ...options, x: gone })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimStep: x must be a tensor that is not disposed, got [1, 2, 2, 1]]`,
    );
    expect(() => ddimStep(x, { ...options, eta: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimStep: noise must be a tensor, as this step adds noise, got undefined]`,
    );
    expect(() => ddimStep(x, { ...options, eta: 1, noise: other })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: ddimStep: noise must be [1, 2, 2, 1], got [1, 2, 2, 2]]`,
    );
    expect(() => ddimStep(x, { ...options, eta: 1.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimStep: eta must be a number in [0, 1], got 1.5]`,
    );
    expect(() => ddimStep(x, { ...options, t: 1000 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimStep: t must be an integer in [0, 999], got 1000]`,
    );
    expect(() => ddimStep(x, { ...options, tPrev: 500 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimStep: tPrev must be an integer below 500, got 500]`,
    );
    const rescaled = noiseSchedule({ rescaleBetasZeroSnr: true });
    expect(() => ddimStep(x, { ...options, schedule: rescaled, t: 999 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimStep: predictionType must be v_prediction or sample where alphaCumprod is 0, got "epsilon"]`,
    );
    expect(() => ddimScheduler({ clipSampleRange: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimScheduler: clipSampleRange must be a positive number, got 0]`,
    );
    expect(() => ddimScheduler({ numTrainTimesteps: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ddimScheduler: numTrainTimesteps must be an integer >= 1, got 0]`,
    );
    expect(() => ddimScheduler().timesteps(1001)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: DDIMScheduler.timesteps: steps must be at most 1000, the number of training steps, got 1001]`,
    );
  });
});
