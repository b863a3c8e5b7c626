import { ArgumentError, checkAlive, checkInteger, foldIn, normal, type RandomKey, randomKey } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkSameShape } from './prediction';
import type { PlannedStep, Sampler, StepResult } from './sampler';

/**
 * A denoiser: x_t `[N, H, W, C]` (or any shape, as long as the output has it) and t to what it predicts. x is borrowed,
 * the result is owned by the sampler, which disposes it.
 */
export type Model<X extends Tensor = Tensor4D> = (x: X, t: number) => X | Promise<X>;

/** What `onStep` sees. The tensors are borrowed: valid until the callback, or the promise that it returns, is done. */
export type SampleStep<X extends Tensor = Tensor4D> = {
  /** 1..steps. */
  readonly step: number;
  /** Model calls of this run. */
  readonly steps: number;
  /** The timestep of the model's call. */
  readonly t: number;
  /** x after the step. */
  readonly x: X;
  /** The clean image as predicted at t, clipped if the scheduler clips. Computed when it is read. */
  readonly predictedX0: X;
  /** Milliseconds of the step, the model's call included; where the device works asynchronously, until it was queued. */
  readonly ms: number;
};

export type SampleOptions<X extends Tensor = Tensor4D> = {
  /** Steps of the run, in [1, T]. May be left out with `timesteps`. */
  readonly steps?: number;
  /** For DDIM: 0 (the default) adds no noise, 1 as much as ancestral sampling. Samplers without it refuse it. */
  readonly eta?: number;
  /** The n-th random draw, n = 1, 2, ..., of the given shape and standard normal. The sampler disposes the tensor. */
  readonly noise?: (n: number, shape: number[]) => Tensor;
  /** Seeds the draws where `noise` is left out: the n-th comes from `foldIn(key, n)`. Default `randomKey(0)`. */
  readonly key?: RandomKey;
  /** Called after every step, and awaited. */
  readonly onStep?: (step: SampleStep<X>) => unknown;
  /** Stops the run before the next step, with the signal's reason. With it, the loop lets events in at every step. */
  readonly signal?: AbortSignal;
  /** Timesteps in place of the scheduler's own, strictly decreasing. */
  readonly timesteps?: readonly number[];
  /**
   * Leaves out the first steps, for image-to-image: x must be the image with the noise of timestep number `start`,
   * `addNoise(x0, noise, [timesteps(steps)[start]])`.
   */
  readonly start?: number;
};

/**
 * Runs a plan. One tidy per step; x and what steps remember are swapped by hand, and everything is disposed when the
 * model, a callback or the signal throws.
 * @param x borrowed. @returns the last x. Owned by the caller.
 */
export async function sampleLoop<X extends Tensor>(
  operation: string,
  sampler: Sampler,
  model: Model<X>,
  x: X,
  options: SampleOptions<X>,
): Promise<X> {
  const { start = 0, key = randomKey(0), signal, onStep } = options;
  const { noise = (n: number, shape: number[]) => normal(foldIn(key, n), shape) } = options;
  checkAlive(operation, 'x', x);
  const plan = planOf(operation, sampler, options);
  checkInteger(operation, 'start', start, 0);
  if (start >= plan.length)
    throw new ArgumentError(operation, 'start', `below ${plan.length}, the number of steps`, start);
  const steps = plan.length - start;
  let state: StepResult = { x: tf.clone(x), memory: [] };
  let draws = 0;

  const runStep = async (planned: PlannedStep, step: number, temporary: Tensor[]): Promise<void> => {
    const began = performance.now();
    const own = <T extends Tensor>(tensor: T): T => {
      temporary.push(tensor);
      return tensor;
    };
    const { inputScale = 1 } = planned;
    const input = own(inputScale === 1 ? tf.clone(state.x) : tf.mul(state.x, inputScale));
    const output = own(checkedOutput(operation, await model(input as X, planned.t), x));
    signal?.throwIfAborted();
    const draw = planned.drawsNoise ? own(noise(++draws, [...x.shape])) : null;
    if (draw !== null) checkSameShape(operation, 'noise', draw, x);
    const before = state;
    state = tf.tidy(() => planned.advance({ output, x: before.x, noise: draw, memory: before.memory }));
    temporary.push(before.x, ...before.memory);
    if (onStep === undefined) return;
    let predicted: Tensor | null = null;
    await onStep({
      step,
      steps,
      t: planned.t,
      x: state.x as X,
      get predictedX0() {
        predicted ??= own(tf.tidy(() => planned.predictSample(output, before.x)));
        return predicted as X;
      },
      ms: performance.now() - began,
    });
  };

  try {
    for (const [index, planned] of plan.slice(start).entries()) {
      if (signal !== undefined) await letEventsIn();
      signal?.throwIfAborted();
      const temporary: Tensor[] = [];
      try {
        await runStep(planned, index + 1, temporary);
      } finally {
        tf.dispose(temporary);
      }
    }
    tf.dispose([...state.memory]);
    return state.x as X;
  } catch (error) {
    tf.dispose([state.x, ...state.memory]);
    throw error;
  }
}

function planOf<X extends Tensor>(
  operation: string,
  sampler: Sampler,
  options: SampleOptions<X>,
): readonly PlannedStep[] {
  const { timesteps = null, eta } = options;
  const steps = options.steps ?? timesteps?.length;
  if (steps === undefined) throw new ArgumentError(operation, 'steps', 'given, unless timesteps are', steps);
  if (timesteps !== null && timesteps.length !== steps) {
    throw new ArgumentError(operation, 'steps', `${timesteps.length}, the number of timesteps, or left out`, steps);
  }
  return sampler.plan(operation, { steps, timesteps, eta });
}

function checkedOutput<X extends Tensor>(operation: string, output: X, x: Tensor): X {
  if (output?.shape === undefined)
    throw new ArgumentError(operation, 'model', 'a function that returns a tensor', output);
  try {
    checkSameShape(operation, "the model's output", output, x);
  } catch (error) {
    tf.dispose(output);
    throw error;
  }
  return output;
}

/** A task, not a microtask: without it a synchronous model keeps a button that aborts from being heard. */
function letEventsIn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
