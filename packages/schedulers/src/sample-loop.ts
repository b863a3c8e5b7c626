import { ArgumentError, checkAlive, foldIn, letEventsIn, normal, type RandomKey, randomKey } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { advance, needsNoise, predictSample } from './advance';
import { checkKnown, type Inpainting, type KnownPart, knownPart } from './inpainting';
import { checkSameShape } from './prediction';
import { planOf, type RunOptions } from './run-options';
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
  /** Steps of this run: its model calls, and what RePaint takes back. */
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

export type SampleOptions<X extends Tensor = Tensor4D> = RunOptions & {
  /** The n-th random draw, n = 1, 2, ..., of the given shape and standard normal. The sampler disposes the tensor. */
  readonly noise?: (n: number, shape: number[]) => Tensor;
  /** Seeds the draws where `noise` is left out: the n-th comes from `foldIn(key, n)`. Default `randomKey(0)`. */
  readonly key?: RandomKey;
  /** Keeps a part of the image as it is; see `Inpainting`. */
  readonly inpaint?: Inpainting<X>;
  /** Called after every step, and awaited. */
  readonly onStep?: (step: SampleStep<X>) => unknown;
  /** Stops the run before the next step, with the signal's reason. With it, the loop lets events in at every step. */
  readonly signal?: AbortSignal;
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
  const { key = randomKey(0), signal, onStep, inpaint } = options;
  const { noise = (n: number, shape: number[]) => normal(foldIn(key, n), shape) } = options;
  checkAlive(operation, 'x', x);
  const { plan } = planOf(operation, sampler, options);
  const draw = (n: number): Tensor => {
    const drawn = noise(n, [...x.shape]);
    try {
      checkSameShape(operation, 'noise', drawn, x);
    } catch (error) {
      tf.dispose(drawn);
      throw error;
    }
    return drawn;
  };
  const known = inpaint === undefined ? null : startKnownPart(operation, inpaint, x, plan, draw);
  let state: StepResult = { x: tf.clone(x), memory: [] };
  let draws = 0;

  const callModel = async ({ t, inputScale = 1 }: PlannedStep, own: Own): Promise<Tensor> => {
    const input = own(inputScale === 1 ? tf.clone(state.x) : tf.mul(state.x, inputScale));
    return own(checkedOutput(operation, await model(input as X, t), x));
  };

  const runStep = async (planned: PlannedStep, step: number, own: Own): Promise<void> => {
    const began = performance.now();
    const output = planned.skipsModel ? state.x : await callModel(planned, own);
    signal?.throwIfAborted();
    if (planned.drawsNoise) draws += 1;
    const isUsed = needsNoise(planned) || (known !== null && planned.redrawsKnown === true);
    const drawn = planned.drawsNoise && isUsed ? own(draw(draws)) : null;
    const before = state;
    state = tf.tidy(() => {
      const after = advance(planned, { output, x: before.x, noise: drawn, memory: before.memory });
      if (known === null || planned.skipsModel) return after;
      return { ...after, x: known.restore(after.x, planned, drawn, step === plan.length) };
    });
    for (const tensor of [before.x, ...before.memory]) own(tensor);
    if (onStep === undefined) return;
    let predicted: Tensor | null = null;
    await onStep({
      step,
      steps: plan.length,
      t: planned.t,
      x: state.x as X,
      get predictedX0() {
        predicted ??= own(tf.tidy(() => predictSample(planned, output, before.x)));
        return predicted as X;
      },
      ms: performance.now() - began,
    });
  };

  try {
    for (const [index, planned] of plan.entries()) {
      if (signal !== undefined) await letEventsIn();
      signal?.throwIfAborted();
      const temporary: Tensor[] = [];
      try {
        await runStep(planned, index + 1, (tensor) => {
          temporary.push(tensor);
          return tensor;
        });
      } finally {
        tf.dispose(temporary);
      }
    }
    tf.dispose([...state.memory]);
    return state.x as X;
  } catch (error) {
    tf.dispose([state.x, ...state.memory]);
    throw error;
  } finally {
    known?.dispose();
  }
}

/** Takes a tensor that is disposed when the step is over. */
type Own = <T extends Tensor>(tensor: T) => T;

/** Draws the noise of the known part, unless all steps have their own. */
function startKnownPart(
  operation: string,
  inpaint: Inpainting<Tensor>,
  x: Tensor,
  plan: readonly PlannedStep[],
  draw: (n: number) => Tensor,
): KnownPart {
  checkKnown(operation, inpaint.image, inpaint.known, x);
  const needsDraw = plan.some(({ skipsModel, redrawsKnown }) => !skipsModel && !redrawsKnown);
  const noise = needsDraw ? draw(0) : null;
  const known = knownPart(inpaint, noise);
  tf.dispose(noise ?? []);
  return known;
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
