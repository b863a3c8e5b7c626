import { goldenJson } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { schedulerClasses, schedulerFromConfig } from './scheduler-from-config';
import { grid, gridNumbers, referenceModel, referenceModelNumbers, samplePlan } from './test-fixtures';

// Runs of diffusers' own code in float64 (goldens/make-samplers.py): plans carried out in float64 agree with them to
// rounding, and so does what tensors do to float32. Every class, and every option that has an effect.

type Case = {
  readonly scheduler: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly steps: number;
  readonly init_noise_sigma: number;
  readonly start?: number;
  readonly custom_timesteps?: readonly number[];
  readonly custom_sigmas?: readonly number[];
  readonly step_kwargs?: { readonly eta?: number };
  readonly known?: readonly number[];
  readonly timesteps: readonly number[];
  readonly final: readonly number[];
};

const { shape, cases } = goldenJson<{ shape: [number, number, number, number]; cases: readonly Case[] }>(
  'samplers.json',
);

/** One test a class, which says which of its cases fail. */
const classes = [...new Set(cases.map(({ scheduler }) => scheduler))];

const schedulerOf = ({ scheduler, config }: Case) => schedulerFromConfig({ _class_name: scheduler, ...config });

const optionsOf = ({
  steps,
  start,
  custom_timesteps: timesteps,
  custom_sigmas: sigmas,
  step_kwargs: kwargs,
}: Case) => ({
  ...(timesteps ? { timesteps } : sigmas ? { sigmas } : { steps }),
  ...(start === undefined ? {} : { start }),
  ...kwargs,
});

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test('every class has cases', () => {
  expect([...classes].sort()).toEqual([...schedulerClasses.keys()].sort());
});

describe('in float64, plans agree with diffusers', () => {
  test.each(classes)('%s', (name) => {
    for (const golden of cases.filter(({ scheduler, known }) => scheduler === name && known === undefined)) {
      const scheduler = schedulerOf(golden);
      const plan = scheduler.plan(optionsOf(golden));
      const label = JSON.stringify({ ...golden, timesteps: undefined, final: undefined });
      expect(
        plan.map(({ t }) => t),
        label,
      ).toBeAllclose(golden.timesteps, 1e-9);
      const isCustom = golden.custom_timesteps !== undefined || golden.custom_sigmas !== undefined;
      if (!isCustom)
        expect([scheduler.initNoiseSigma(golden.steps)], label).toBeAllclose([golden.init_noise_sigma], 1e-12);
      const sigma = golden.init_noise_sigma;
      const [{ level }] = plan;
      const noise = gridNumbers(shape, 8);
      const x =
        golden.start === undefined
          ? gridNumbers(shape, 1).map((value) => value * sigma)
          : gridNumbers(shape, 7).map((value, i) => level.signal * value + level.noise * noise[i]);
      const sample = samplePlan({ plan, x, model: referenceModelNumbers, batch: shape[0] });
      expect(sample, label).toBeAllclose(golden.final, 1e-8);
    }
  });
});

describe('tensors agree with diffusers', () => {
  test.each(classes)('%s', async (name) => {
    for (const golden of cases.filter(({ scheduler }) => scheduler === name)) {
      const scheduler = schedulerOf(golden);
      const options = optionsOf(golden);
      const tensor = (k: number) => tf.tensor4d(grid(shape, k), shape);
      const image = tensor(7);
      const x =
        golden.start === undefined
          ? (tf.mul(tensor(1), golden.init_noise_sigma) as tf.Tensor4D)
          : scheduler.startFromImage(image, tensor(8), options).x;
      const known = golden.known && tf.tensor4d([...golden.known], shape);
      const sample = await scheduler.sample(referenceModel, x, {
        ...options,
        ...(known ? { inpaint: { image, known } } : {}),
        noise: (n, of) => tf.tensor(grid(of, 100 + n), of),
      });
      await expect(sample, JSON.stringify(golden)).toBeAllclose(tf.tensor4d([...golden.final], shape), 2e-5);
    }
  });
});
