import { expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { ddimScheduler } from './ddim';
import { ddimInverseScheduler } from './ddim-inverse';
import { schedulerClasses, schedulerFromConfig } from './scheduler-from-config';
import { dispatchesOf, grid, gridNumbers, referenceModel, samplePlan } from './test-fixtures';

const shape: [number, number, number, number] = [2, 2, 2, 1];
const tensor = (k: number) => tf.tensor4d(grid(shape, k), shape);
const classNames = [...schedulerClasses.keys()];
const minimal = (name: string) =>
  schedulerFromConfig({
    _class_name: name,
    ...(['DDPM', 'DDIM', 'RePaint'].some((kind) => name.startsWith(kind)) ? { clip_sample: false } : {}),
  });

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('a model that knows x_0', () => {
  // Whatever a sampler does on the way, it ends at the x_0 that all predictions agree on, as far as it ends without noise.
  const samplers = classNames.filter((name) => !['DDIMInverseScheduler', 'RePaintScheduler'].includes(name));
  test.each(samplers)('is believed by %s', (name) => {
    const scheduler = minimal(name);
    const plan = scheduler.plan({ steps: 6 });
    const x0 = gridNumbers(shape, 7);
    let call = 0;
    const sample = samplePlan({
      plan,
      x: gridNumbers(shape, 1).map((value) => value * scheduler.initNoiseSigma(6)),
      model: (input) => {
        const { toSample, inputScale = 1 } = plan[call++];
        return input.map((value, i) => (x0[i] - (toSample.x * value) / inputScale) / toSample.output);
      },
    });
    const { signal, noise } = plan[plan.length - 1].nextLevel;
    // LCM keeps c_skip of x_t: (0.5 / (10 t))^2.
    if (noise === 0) expect(sample).toBeAllclose(x0, name === 'LCMScheduler' ? 1e-6 : 1e-9);
    // With abar_0 at the end, what is left is the noise of t = 0.
    else
      expect(sample).toBeAllclose(
        x0.map((value) => signal * value),
        { absolute: 4 * noise, relative: 0 },
      );
  });
});

describe('DDIM and its inversion', () => {
  const config = { betaSchedule: 'scaled_linear', betaStart: 0.00085, betaEnd: 0.012, clipSample: false } as const;
  const roundTrip = (steps: number, model: (x: Float64Array, t: number) => Float64Array) => {
    const image = gridNumbers(shape, 7);
    const noise = samplePlan({ plan: ddimInverseScheduler(config).plan({ steps }), x: image, model });
    return samplePlan({ plan: ddimScheduler(config).plan({ steps }), x: noise, model }).map(
      (value, i) => value - image[i],
    );
  };

  test('give the image back where the noise does not depend on x', () => {
    const eps = gridNumbers(shape, 3);
    expect(roundTrip(10, (_, t) => eps.map((value) => value * (1 + t / 1000)))).toBeAllclose(new Float64Array(8), {
      absolute: 1e-12,
    });
  });

  test('give it back the better, the more steps there are', () => {
    const model = (x: Float64Array) => x.map((value) => 0.3 * Math.sin(value));
    const errors = [10, 20, 40].map((steps) => Math.max(...roundTrip(steps, model).map(Math.abs)));
    expect(errors[1] / errors[0]).toBeLessThan(0.7);
    expect(errors[2] / errors[1]).toBeLessThan(0.65);
  });
});

describe('every sampler', () => {
  test.each(classNames)('%s draws, leaves one tensor, and takes few dispatches a step', async (name) => {
    const scheduler = minimal(name);
    const x = tensor(1);
    const inpaint = name === 'RePaintScheduler' ? { inpaint: { image: tensor(7), known: tf.ones([1, 2, 1, 1]) } } : {};
    const options = { steps: 8, ...inpaint };
    const sample = await expectTensors(1, () => scheduler.sample(referenceModel, x, options));
    expect(sample.shape).toEqual(shape);
    expect((await sample.data()).every(Number.isFinite)).toBe(true);
    const plan = scheduler.plan({ steps: 8 });
    const noise = tensor(3);
    const dispatches = await dispatchesOf(() =>
      scheduler.sample((input) => tf.clone(input), x, { steps: 8, noise: () => tf.clone(noise) }),
    );
    expect(dispatches / plan.length).toBeLessThanOrEqual(name.startsWith('DDIM') ? 3 : 6);
  });

  test.each(classNames)('%s gives its configuration back', (name) => {
    const scheduler = schedulerFromConfig({ _class_name: name });
    const again = schedulerFromConfig(JSON.parse(JSON.stringify(scheduler.config)));
    expect(again.config).toEqual(scheduler.config);
    expect(scheduler.className).toBe(name);
  });

  test.each(classNames)('%s refuses what it cannot take', (name) => {
    const scheduler = schedulerFromConfig({ _class_name: name });
    expect(() => scheduler.plan({ steps: 0 })).toThrow(`${name}.plan: steps must be an integer >= 1, got 0`);
    expect(() => scheduler.plan({})).toThrow(`${name}.plan: steps must be given, unless timesteps are`);
    expect(() => scheduler.plan({ steps: 5, start: 5 })).toThrow('start must be below 5');
    expect(() => scheduler.plan({ timesteps: [3, 4, 3] })).toThrow(/timesteps|sigmas/);
    expect(() => scheduler.plan({ sigmas: [3, 4] })).toThrow('sigmas');
    if (!name.startsWith('EDM')) expect(() => scheduler.plan({ steps: 1001 })).toThrow('at most');
    if (['DDIMScheduler', 'TCDScheduler', 'RePaintScheduler'].includes(name)) {
      expect(() => scheduler.plan({ steps: 5, eta: 2 })).toThrow('eta must be a number in [0, 1], got 2');
    } else {
      expect(() => scheduler.plan({ steps: 5, eta: 0 })).toThrow(/eta must be left out, as .* has none, got 0/);
    }
  });
});

test('startFromImage by strength begins where diffusers does, with the noise of that step', async () => {
  const scheduler = schedulerFromConfig({ _class_name: 'EulerDiscreteScheduler' });
  const [image, noise] = [tensor(7), tensor(8)];
  for (const [strength, start] of [
    [1, 0],
    [0.75, 3],
    [0.3, 7],
  ]) {
    const begun = await expectTensors(1, () => scheduler.startFromImage(image, noise, { steps: 10, strength }));
    expect(begun.start).toBe(start);
    const { level } = scheduler.plan({ steps: 10, start })[0];
    const expected = grid(shape, 7).map((value, i) => value + level.noise * grid(shape, 8)[i]);
    await expect(begun.x).toBeAllclose(tf.tensor4d(expected, shape));
  }
  expect(() => scheduler.startFromImage(image, noise, { steps: 10, strength: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: EulerDiscreteScheduler.startFromImage: strength must be such that at least one of 10 steps is left, got 0]`,
  );
  expect(() => scheduler.startFromImage(image, noise, { steps: 10 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: EulerDiscreteScheduler.startFromImage: strength must be given if and only if start is not, got undefined]`,
  );
  expect(() => scheduler.startFromImage(image, noise, { steps: 4, start: 4 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: EulerDiscreteScheduler.startFromImage: start must be such that at least one of 4 steps is left, got 4]`,
  );
  expect(() => scheduler.startFromImage(image, noise, { steps: 4, strength: 2 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: EulerDiscreteScheduler.startFromImage: strength must be a number in [0, 1], got 2]`,
  );
});

test('inpainting keeps the known part to the digit, with the noise of each step on the way', async () => {
  const scheduler = ddimScheduler({ clipSample: false });
  const [x, image] = [tensor(1), tensor(7)];
  const known = tf.tensor4d([1, 0, 0, 1], [1, 2, 2, 1]);
  const seen: Float32Array[] = [];
  const sample = await expectTensors(1, () =>
    scheduler.sample(referenceModel, x, {
      steps: 4,
      inpaint: { image, known },
      noise: (n, of) => tf.tensor(grid(of, 100 + n), of),
      onStep: async ({ x: after }) => seen.push(await after.data<'float32'>()),
    }),
  );
  const plan = scheduler.plan({ steps: 4 });
  const [x0, eps] = [grid(shape, 7), grid(shape, 100)]; // draw number 0
  const isKnown = (i: number) => i % 4 === 0 || i % 4 === 3;
  for (const [step, values] of seen.entries()) {
    const { signal, noise } = step === 3 ? { signal: 1, noise: 0 } : plan[step].nextLevel;
    const expected = x0.map((value, i) => signal * value + noise * eps[i]);
    expect(values.filter((_, i) => isKnown(i))).toBeAllclose(
      expected.filter((_, i) => isKnown(i)),
      1e-6,
    );
  }
  const free = await scheduler.sample(referenceModel, x, { steps: 4 });
  const [made, plain] = [await sample.data(), await free.data()];
  expect(made.filter((_, i) => !isKnown(i))).toBeAllclose(
    plain.filter((_, i) => !isKnown(i)),
    1e-5,
  );
  const wrong = { image, known: tf.ones([1, 3, 1, 1]) };
  await expect(
    scheduler.sample(referenceModel, x, { steps: 4, inpaint: wrong }),
  ).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: DDIMScheduler.sample: inpaint.known must be [2 or 1, 2 or 1, 2 or 1, 1], got [1, 3, 1, 1]]`,
  );
});
