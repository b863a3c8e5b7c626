import { ArgumentError, checkAlive } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { advance } from './advance';
import type { Clipping } from './clip-sample';
import { NOISE, OUTPUT, SAMPLE, sum, X } from './combination';
import { levelOfAlphaCumprod } from './noise-level';
import { checkSameShape, type PredictionType, predictionMap } from './prediction';
import type { PlannedStep } from './sampler';

/**
 * x_prev = fromSample * clip(x_0) + fromX * x_t + fromNoise * eps + deviation * z, with x_0 and eps as the model's
 * output has them and z ~ N(0, I): the form of every step between two timesteps of a DDPM that looks at one prediction.
 */
export type FirstOrderStep = {
  readonly predictionType: PredictionType;
  /** abar_t. */
  readonly alphaCumprod: number;
  /** abar after the step. */
  readonly nextAlphaCumprod: number;
  readonly clipping: Clipping | null;
  readonly fromSample: number;
  readonly fromX: number;
  readonly fromNoise: number;
  readonly deviation: number;
};

/** The step as a plan has it. */
export function plannedFirstOrderStep(operation: string, t: number, step: FirstOrderStep): PlannedStep {
  const { predictionType, alphaCumprod, nextAlphaCumprod, clipping } = step;
  const { fromSample, fromX, fromNoise, deviation } = step;
  const level = levelOfAlphaCumprod(alphaCumprod);
  const toNoise = predictionMap(operation, predictionType, 'epsilon', level);
  const eps = sum([toNoise.x, X], [toNoise.output, OUTPUT]);
  return {
    t,
    level,
    nextLevel: levelOfAlphaCumprod(nextAlphaCumprod),
    toSample: predictionMap(operation, predictionType, 'sample', level),
    clipping,
    drawsNoise: deviation > 0,
    x: sum([fromSample, SAMPLE], [fromX, X], [fromNoise, eps], [deviation, NOISE]),
  };
}

/** Checks the tensors of a step, and takes it. @returns x_prev. Owned by the caller. */
export function checkedFirstOrderStep<X extends Tensor>(
  operation: string,
  t: number,
  step: FirstOrderStep,
  output: X,
  x: X,
  z: X | undefined,
): X {
  checkAlive(operation, 'x', x);
  checkSameShape(operation, 'output', output, x);
  const planned = plannedFirstOrderStep(operation, t, step);
  if (planned.drawsNoise) {
    if (z === undefined) throw new ArgumentError(operation, 'noise', 'a tensor, as this step adds noise', z);
    checkSameShape(operation, 'noise', z, x);
  }
  const noise = planned.drawsNoise && z !== undefined ? z : null;
  return tf.tidy(() => advance(planned, { output, x, noise, memory: [] }).x) as X;
}
