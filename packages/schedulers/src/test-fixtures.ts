import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { coefficients } from './advance';
import type { Clipping } from './clip-sample';
import type { PlannedStep } from './sampler';

/** The fixed "noise" of the reference runs, standard normal by Box-Muller of two hashes of the index; see goldens/README.md. */
export function grid(shape: readonly number[], k: number): Float32Array {
  return Float32Array.from(gridNumbers(shape, k));
}

/** The same before it is rounded. */
export function gridNumbers(shape: readonly number[], k: number): Float64Array {
  const fraction = (value: number) => value - Math.floor(value);
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return Float64Array.from({ length: size }, (_, index) => {
    const i = index + 1;
    const u = Math.max(fraction(Math.abs(Math.sin(12.9898 * i + 78.233 * k) * 43758.5453)), 1e-7);
    const v = fraction(Math.abs(Math.sin(39.3468 * i + 11.135 * k) * 24634.6345));
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  });
}

/** The "network" of the reference runs: f(x, t) = 0.6 x + 0.25 sin(3 x + t / 200). */
export function referenceModel(x: Tensor4D, t: number): Tensor4D {
  return tf.tidy(() => tf.add(tf.mul(x, 0.6), tf.mul(tf.sin(tf.add(tf.mul(x, 3), t / 200)), 0.25)));
}

/** The names of the kernels that run in `fn`, in order. */
export async function kernelsOf(fn: () => unknown): Promise<string[]> {
  const { kernels } = await tf.profile(async () => {
    await fn();
    return tf.scalar(0);
  });
  return kernels.map(({ name }) => name);
}

/** How many of them are dispatches: copies and new shapes of the same data are not. */
export async function dispatchesOf(fn: () => unknown): Promise<number> {
  return (await kernelsOf(fn)).filter((name) => name !== 'Identity' && name !== 'Reshape').length;
}

/** The reference model in float64. */
export function referenceModelNumbers(x: Float64Array, t: number): Float64Array {
  return x.map((value) => 0.6 * value + 0.25 * Math.sin(3 * value + t / 200));
}

export type NumberRun = {
  readonly plan: readonly PlannedStep[];
  readonly x: Float64Array;
  readonly model: (x: Float64Array, t: number) => Float64Array;
  /** The n-th draw. Default: the reference runs'. */
  readonly noise?: (n: number) => ArrayLike<number>;
  /** Samples in x, for dynamic thresholding. */
  readonly batch?: number;
  /** Sees x and the memory after a step, and may change them. */
  readonly onStep?: (x: Float64Array, memory: readonly Float64Array[], index: number) => void;
};

/** Carries a plan out in float64, so that what is tested are its coefficients and not float32. */
export function samplePlan({ plan, x: start, model, noise, batch = 1, onStep }: NumberRun): Float64Array {
  let x = start;
  let memory: Float64Array[] = [];
  let draws = 0;
  for (const [index, step] of plan.entries()) {
    const { inputScale = 1, toSample, clipping } = step;
    const output = step.skipsModel
      ? x
      : model(
          x.map((value) => value * inputScale),
          step.t,
        );
    if (step.drawsNoise) draws += 1;
    const drawn = step.drawsNoise ? (noise?.(draws) ?? gridNumbers([x.length], 100 + draws)) : x;
    const predicted = x.map((value, i) => toSample.x * value + toSample.output * output[i]);
    const columns = [
      x,
      output,
      clipping === null ? predicted : clipNumbers(predicted, clipping, batch),
      drawn,
      ...memory,
    ];
    const combined = [step.x, ...(step.memory ?? [])].map((combination) => {
      const row = coefficients(step, combination);
      return x.map((_, i) =>
        row.reduce((total, coefficient, k) => (coefficient === 0 ? total : total + coefficient * columns[k][i]), 0),
      );
    });
    [x, ...memory] = combined;
    onStep?.(x, memory, index);
  }
  return x;
}

function clipNumbers(x: Float64Array, clipping: Clipping, batch: number): Float64Array {
  if ('range' in clipping) return x.map((value) => Math.min(Math.max(value, -clipping.range), clipping.range));
  const size = x.length / batch;
  return x.map((value, i) => {
    const sample = Math.floor(i / size);
    const sorted = x.slice(sample * size, (sample + 1) * size).map(Math.abs);
    sorted.sort();
    const rank = clipping.quantile * (size - 1);
    const low = Math.floor(rank);
    const quantile = sorted[low] + (rank - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
    const limit = Math.min(Math.max(quantile, 1), clipping.maximum);
    return Math.min(Math.max(value, -limit), limit) / limit;
  });
}
