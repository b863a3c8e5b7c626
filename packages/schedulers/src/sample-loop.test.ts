import { foldIn, normal, randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { memory, OUTPUT, sum, X } from './combination';
import { ddimScheduler } from './ddim';
import { ddpmScheduler } from './ddpm';
import { type SampleStep, sampleLoop } from './sample-loop';
import type { Sampler } from './sampler';
import { grid, referenceModel } from './test-fixtures';

const shape: [number, number, number, number] = [1, 2, 2, 1];
const start = () => tf.tensor4d(grid(shape, 1), shape);
const ddim = ddimScheduler({ clipSample: false });
const ddpm = ddpmScheduler({ clipSample: false });

/** What a promise is rejected with. */
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('expected a rejection')),
    (error: unknown) => error,
  );

describeBackends(['cpu', 'wasm'], () => {
  test('a run leaves one tensor, and the argument as it was', async () => {
    const x = start();
    const before = Array.from(await x.data());
    const y = await expectTensors(1, () => ddpm.sample(referenceModel, x, { steps: 5 }));
    expect(y.shape).toEqual(shape);
    await expect(x).toBeAllclose(before, 0);
    x.dispose();
  });

  test('synchronous and asynchronous models give the same', async () => {
    const x = start();
    const later = async (input: tf.Tensor4D, t: number) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return referenceModel(input, t);
    };
    const a = await expectTensors(1, () => ddim.sample(referenceModel, x, { steps: 5 }));
    const b = await expectTensors(1, () => ddim.sample(later, x, { steps: 5 }));
    await expect(b).toBeAllclose(a, 0);
  });

  test('onStep sees every step, x after it, and the predicted clean image', async () => {
    const x = start();
    const seen: Omit<SampleStep, 'x' | 'predictedX0'>[] = [];
    const tensors: [Float32Array, Float32Array][] = [];
    const y = await expectTensors(1, () =>
      ddim.sample(referenceModel, x, {
        steps: 4,
        onStep: async ({ step, steps, t, x: after, predictedX0, ms }) => {
          seen.push({ step, steps, t, ms });
          tensors.push([await after.data<'float32'>(), await predictedX0.data<'float32'>()]);
        },
      }),
    );
    expect(seen.map(({ step, steps, t }) => [step, steps, t])).toEqual([
      [1, 4, 750],
      [2, 4, 500],
      [3, 4, 250],
      [4, 4, 0],
    ]);
    expect(seen.every(({ ms }) => ms >= 0 && ms < 1e4)).toBe(true);
    const a = ddim.alphasCumprod[750];
    const output = await referenceModel(x, 750).data();
    const expected = grid(shape, 1).map((value, i) => (value - Math.sqrt(1 - a) * output[i]) / Math.sqrt(a));
    expect(tensors[0][1]).toBeAllclose(expected, 1e-5);
    expect(tensors[3][0]).toBeAllclose(tensors[3][1], 1e-5); // the last step goes to the predicted clean image itself
    await expect(y).toBeAllclose(tensors[3][0], 0);
  });

  test('the predicted clean image is clipped where the scheduler clips, and costs nothing unless it is read', async () => {
    const x = start();
    const clipping = ddimScheduler({ clipSampleRange: 0.3 });
    const largest: number[] = [];
    const onStep = async ({ predictedX0 }: SampleStep) => {
      largest.push((await tf.max(tf.abs(predictedX0)).data())[0]);
    };
    await clipping.sample(referenceModel, x, { steps: 3, onStep });
    expect(Math.max(...largest)).toBeCloseTo(0.3, 6);

    const kernels = async (look: (step: SampleStep) => unknown) =>
      (
        await tf.profile(async () => {
          await ddim.sample(referenceModel, x, { steps: 3, onStep: look });
          return tf.scalar(0);
        })
      ).kernels.length;
    expect(await kernels(({ step }) => step)).toBeLessThan(await kernels(({ predictedX0 }) => predictedX0));
    // Looking twice computes once.
    const once = await kernels(({ predictedX0 }) => predictedX0);
    expect(await kernels((step) => [step.predictedX0, step.predictedX0])).toBe(once);
  });
});

describe('a run', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  test('draws by number, once per step that adds noise', async () => {
    const x = start();
    const drawn: [number, number[]][] = [];
    const noise = (n: number, of: number[]) => {
      drawn.push([n, of]);
      return tf.tensor(grid(of, n), of);
    };
    await ddpm.sample(referenceModel, x, { steps: 4, noise });
    expect(drawn).toEqual([1, 2, 3].map((n) => [n, shape])); // the step from t = 0 adds none
    drawn.length = 0;
    await ddim.sample(referenceModel, x, { steps: 4, noise });
    expect(drawn).toEqual([]);
  });

  test('is the same for the same key, which seeds the n-th draw as foldIn(key, n)', async () => {
    const x = start();
    const run = async (options: object) => {
      const y = await ddpm.sample(referenceModel, x, { steps: 4, ...options });
      return y.data();
    };
    const standard = await run({});
    expect(await run({ key: randomKey(0) })).toEqual(standard);
    expect(await run({ key: randomKey(1) })).not.toEqual(standard);
    const byHand = await run({ noise: (n: number, of: number[]) => normal(foldIn(randomKey(0), n), of) });
    expect(byHand).toEqual(standard);
  });

  test('may start later, and goes on as the whole run would', async () => {
    const x = start();
    let middle = tf.zeros(shape) as tf.Tensor4D;
    const whole = await ddim.sample(referenceModel, x, {
      steps: 6,
      onStep: ({ step, x: after }) => {
        if (step === 2) middle = tf.clone(after);
      },
    });
    const steps: number[][] = [];
    const rest = await ddim.sample(referenceModel, middle, {
      steps: 6,
      start: 2,
      onStep: ({ step, steps: count, t }) => steps.push([step, count, t]),
    });
    expect(steps).toEqual(
      ddim
        .timesteps(6)
        .slice(2)
        .map((t, i) => [i + 1, 4, t]),
    );
    await expect(rest).toBeAllclose(whole, 0);
  });

  test('takes custom timesteps, which are its own where they are the same', async () => {
    const x = start();
    const scheduler = ddimScheduler({ clipSample: false, setAlphaToOne: false });
    const own = await scheduler.sample(referenceModel, x, { steps: 10 });
    const custom = await scheduler.sample(referenceModel, x, { timesteps: scheduler.timesteps(10) });
    await expect(custom).toBeAllclose(own, 0);
    const visited: number[] = [];
    const options = { timesteps: [900, 300, 20], steps: 3, onStep: ({ t }: SampleStep) => visited.push(t) };
    await ddpm.sample(referenceModel, x, options);
    expect(visited).toEqual([900, 300, 20]);
  });

  test('works on tensors of any rank', async () => {
    const signal = tf.tensor2d(grid([3, 16], 1), [3, 16]);
    const y = await expectTensors(1, () =>
      ddpm.sample((x: tf.Tensor2D) => tf.mul(x, 0.5) as tf.Tensor2D, signal, { steps: 5 }),
    );
    expect(y.shape).toEqual([3, 16]);
  });

  test('survives a model that gives back its input or disposes it', async () => {
    const x = start();
    const identity = await expectTensors(1, () => ddim.sample((input) => input, x, { steps: 3 }));
    const cloned = await ddim.sample((input) => tf.clone(input), x, { steps: 3 });
    await expect(identity).toBeAllclose(cloned, 0);
    const greedy = (input: tf.Tensor4D) => {
      const output = tf.clone(input);
      input.dispose();
      return output;
    };
    await expect(await expectTensors(1, () => ddim.sample(greedy, x, { steps: 3 }))).toBeAllclose(cloned, 0);
    expect(x.isDisposed).toBe(false);
  });
});

describe('nothing is left behind', () => {
  const x = start();
  const failing = (where: 'model' | 'rejection' | 'callback' | 'noise' | 'shape' | 'nothing') => {
    let calls = 0;
    const boom = () => {
      if (++calls === 3) throw new Error('boom');
    };
    return ddpm.sample(
      (input, t) => {
        if (where === 'model') boom();
        if (where === 'rejection' && ++calls === 3) return Promise.reject(new Error('boom'));
        if (where === 'shape' && ++calls === 3) return tf.zeros([1, 2, 2, 2]) as tf.Tensor4D;
        if (where === 'nothing' && ++calls === 3) return undefined as unknown as tf.Tensor4D;
        return referenceModel(input, t);
      },
      x,
      {
        steps: 5,
        noise: (n, of) => {
          if (where === 'noise') boom();
          return tf.tensor(grid(of, n), of);
        },
        onStep: ({ predictedX0 }) => {
          expect(predictedX0.shape).toEqual(shape);
          if (where === 'callback') boom();
        },
      },
    );
  };

  test.each(['model', 'rejection', 'callback', 'noise'] as const)(
    'when the %s throws in the third step',
    async (where) => {
      const error = await expectTensors(0, () => reasonOf(failing(where)));
      expect(error).toEqual(new Error('boom'));
    },
  );

  test('when the model gives another shape, or no tensor', async () => {
    expect(await expectTensors(0, () => reasonOf(failing('shape')))).toMatchInlineSnapshot(
      `[ShapeError: DDPMScheduler.sample: the model's output must be [1, 2, 2, 1], got [1, 2, 2, 2]]`,
    );
    expect(await expectTensors(0, () => reasonOf(failing('nothing')))).toMatchInlineSnapshot(
      `[ArgumentError: DDPMScheduler.sample: model must be a function that returns a tensor, got undefined]`,
    );
  });

  test('when the signal aborts: before the run, in a callback, in the model, from outside', async () => {
    const aborted = AbortSignal.abort(new Error('too late'));
    const early = await expectTensors(0, () => reasonOf(ddim.sample(referenceModel, x, { steps: 5, signal: aborted })));
    expect(early).toEqual(new Error('too late'));

    for (const where of ['callback', 'model', 'outside'] as const) {
      const controller = new AbortController();
      const { signal } = controller;
      let steps = 0;
      const error = await expectTensors(0, () => {
        if (where === 'outside') setTimeout(() => controller.abort(), 5);
        const run = ddim.sample(
          (input, t) => {
            if (where === 'model' && steps === 2) controller.abort();
            return referenceModel(input, t);
          },
          x,
          {
            steps: 1000,
            signal,
            onStep: () => {
              if (++steps === 2 && where === 'callback') controller.abort();
            },
          },
        );
        return reasonOf(run);
      });
      expect((error as DOMException).name).toBe('AbortError');
      if (where !== 'outside') expect(steps).toBe(2);
      expect(steps).toBeLessThan(1000);
    }
  });
});

test('a sampler with scaled inputs and a memory has both, and leaks neither', async () => {
  await tf.setBackend('cpu');
  const level = { signal: 1, noise: 1 };
  // x <- x + the sum of the last two outputs; the model gets half of x.
  const sampler: Sampler = {
    timesteps: () => [3, 2, 1, 0],
    initNoiseSigma: () => 1,
    plan: () =>
      [3, 2, 1, 0].map((t, index) => ({
        t,
        inputScale: 0.5,
        level,
        nextLevel: level,
        toSample: { x: 0, output: 1 },
        clipping: null,
        drawsNoise: false,
        x: index === 0 ? sum([1, X], [1, OUTPUT]) : sum([1, X], [1, OUTPUT], [1, memory(0)]),
        memory: [OUTPUT],
      })),
  };
  const x = tf.tensor1d([1]);
  const model = (input: tf.Tensor1D, t: number) => tf.add(input, t) as tf.Tensor1D;
  const y = await expectTensors(1, () => sampleLoop('test', sampler, model, x, { steps: 4 }));
  let [value, last] = [1, 0];
  for (const t of [3, 2, 1, 0]) {
    const output = value / 2 + t;
    [value, last] = [value + output + last, output];
  }
  await expect(y).toBeAllclose([value]);
});

test('arguments are checked before the model is called', async () => {
  await tf.setBackend('cpu');
  const x = start();
  const gone = start();
  gone.dispose();
  const never = () => {
    throw new Error('the model must not run');
  };
  const messages: string[] = [];
  await expectTensors(0, async () => {
    for (const options of [
      {},
      { steps: 0 },
      { steps: 1001 },
      { steps: 10, start: 10 },
      { steps: 10, start: -1 },
      { steps: 10, eta: 2 },
      { steps: 4, timesteps: [3, 2, 1] },
      { timesteps: [] },
      { timesteps: [5, 6] },
      { timesteps: [1000] },
    ]) {
      const error = await reasonOf(ddim.sample(never, x, options));
      messages.push((error as Error).message);
    }
    messages.push(((await reasonOf(ddim.sample(never, gone, { steps: 2 }))) as Error).message);
    const wrong = { steps: 2, eta: 1, noise: () => tf.zeros([3]) };
    messages.push(((await reasonOf(ddim.sample(referenceModel, x, wrong))) as Error).message);
    const unbounded = ddimScheduler({ rescaleBetasZeroSnr: true, timestepSpacing: 'trailing' });
    messages.push(((await reasonOf(unbounded.sample(never, x, { steps: 2 }))) as Error).message);
  });
  expect(messages).toMatchInlineSnapshot(`
    [
      "DDIMScheduler.sample: steps must be given, unless timesteps are, got undefined",
      "DDIMScheduler.sample: steps must be an integer >= 1, got 0",
      "DDIMScheduler.sample: steps must be at most 1000, the number of training steps, got 1001",
      "DDIMScheduler.sample: start must be below 10, the number of steps, got 10",
      "DDIMScheduler.sample: start must be an integer >= 0, got -1",
      "DDIMScheduler.sample: eta must be a number in [0, 1], got 2",
      "DDIMScheduler.sample: steps must be 3, the number of timesteps, or left out, got 4",
      "DDIMScheduler.sample: timesteps must be strictly decreasing integers in [0, 999], at least one, got []",
      "DDIMScheduler.sample: timesteps must be strictly decreasing integers in [0, 999], at least one, got [5, 6]",
      "DDIMScheduler.sample: timesteps must be strictly decreasing integers in [0, 999], at least one, got [1000]",
      "DDIMScheduler.sample: x must be a tensor that is not disposed, got [1, 2, 2, 1]",
      "DDIMScheduler.sample: noise must be [1, 2, 2, 1], got [3]",
      "DDIMScheduler.sample: predictionType must be v_prediction or sample where alphaCumprod is 0, got "epsilon"",
    ]
  `);
});
