import { ArgumentError, checkAlive, checkInteger, checkRange } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { linearCombination } from './linear-combination';
import { checkSameShape } from './prediction';
import { planOf, type RunOptions } from './run-options';
import type { Sampler } from './sampler';

export type ImageStartOptions = Omit<RunOptions, 'start' | 'eta'> & {
  /** How much of the image is lost, in [0, 1]: 1 is all of the run, 0.25 its last quarter. */
  readonly strength?: number;
  /** The step to start from, in place of a strength. */
  readonly start?: number;
};

/** What to hand to `sample`: `sample(model, x, { ...options, start })`. */
export type ImageStart<X extends Tensor> = {
  /** The image with the noise of the first step. Owned by the caller. */
  readonly x: X;
  readonly start: number;
};

/**
 * The start of a run from an image (SDEdit, Meng et al. 2022): signal x_0 + noise eps at the level of noise of a later
 * step. As in diffusers, a strength s skips the first S - floor(s S) of S steps.
 */
export function startFromImage<X extends Tensor>(
  operation: string,
  sampler: Sampler,
  image: X,
  noise: X,
  options: ImageStartOptions,
): ImageStart<X> {
  const { strength, start: given, ...run } = options;
  checkAlive(operation, 'image', image);
  checkSameShape(operation, 'noise', noise, image);
  if ((strength === undefined) === (given === undefined)) {
    throw new ArgumentError(operation, 'strength', 'given if and only if start is not', strength);
  }
  if (strength !== undefined) checkRange(operation, 'strength', strength, 0, 1);
  if (given !== undefined) checkInteger(operation, 'start', given, 0);
  const { steps } = planOf(operation, sampler, { ...run, start: 0 });
  const start = given ?? steps - Math.floor((strength as number) * steps);
  if (start >= steps) {
    const [name, value] = given === undefined ? ['strength', strength] : ['start', given];
    throw new ArgumentError(operation, name, `such that at least one of ${steps} steps is left`, value);
  }
  const [first] = planOf(operation, sampler, { ...run, start }).plan;
  const { signal, noise: deviation } = first.level;
  return { x: tf.tidy(() => linearCombination([signal, image], [deviation, noise])) as X, start };
}
