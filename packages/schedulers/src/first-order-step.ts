import { ArgumentError, checkAlive } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Clipping, clipSample } from './clip-sample';
import { linearCombination } from './linear-combination';
import { checkSameShape, type PredictionType, predictionMap } from './prediction';
import type { PlannedStep } from './sampler';

/**
 * x_prev = fromSample * clip(x_0) + fromX * x_t + fromNoise * eps + deviation * z, with x_0 and eps as the model's
 * output has them and z ~ N(0, I): the form of every sampler that looks at one prediction at a time.
 */
export type FirstOrderCoefficients = {
  readonly fromSample: number;
  readonly fromX: number;
  readonly fromNoise: number;
  readonly deviation: number;
};

export type FirstOrderStep = FirstOrderCoefficients & {
  readonly predictionType: PredictionType;
  /** abar_t. */
  readonly alphaCumprod: number;
  readonly clipping: Clipping | null;
};

/**
 * Takes the step. Without clipping it is linear in x_t and the output, and their coefficients are folded in float64:
 * 3 operations, 5 with noise, whatever the prediction type.
 * @param z `deviation` > 0 needs it. @returns x_prev. Call it in a tidy.
 */
export function firstOrderStep(step: FirstOrderStep, output: Tensor, x: Tensor, z: Tensor | null): Tensor {
  const { predictionType, alphaCumprod, clipping, fromSample, fromX, fromNoise, deviation } = step;
  const noise = predictionMap('firstOrderStep', predictionType, 'epsilon', alphaCumprod);
  const random: [number, Tensor][] = z === null ? [] : [[deviation, z]];
  if (clipping !== null) {
    return linearCombination(
      [fromSample, predictSample(step, output, x)],
      [fromX + fromNoise * noise.x, x],
      [fromNoise * noise.output, output],
      ...random,
    );
  }
  const sample = predictionMap('firstOrderStep', predictionType, 'sample', alphaCumprod);
  return linearCombination(
    [fromX + fromSample * sample.x + fromNoise * noise.x, x],
    [fromSample * sample.output + fromNoise * noise.output, output],
    ...random,
  );
}

/** The predicted x_0, clipped. Call it in a tidy. */
export function predictSample(
  { predictionType, alphaCumprod, clipping }: FirstOrderStep,
  output: Tensor,
  x: Tensor,
): Tensor {
  const map = predictionMap('predictSample', predictionType, 'sample', alphaCumprod);
  const x0 = linearCombination([map.x, x], [map.output, output]);
  return clipping === null ? x0 : clipSample(x0, clipping);
}

/** Checks the tensors of a step, and takes it. @returns x_prev. Owned by the caller. */
export function checkedFirstOrderStep<X extends Tensor>(
  operation: string,
  step: FirstOrderStep,
  output: X,
  x: X,
  z: X | undefined,
): X {
  checkAlive(operation, 'x', x);
  checkSameShape(operation, 'output', output, x);
  if (step.deviation > 0) {
    if (z === undefined) throw new ArgumentError(operation, 'noise', 'a tensor, as this step adds noise', z);
    checkSameShape(operation, 'noise', z, x);
  }
  return tf.tidy(() => firstOrderStep(step, output, x, step.deviation > 0 && z !== undefined ? z : null)) as X;
}

/** The steps of a plan that has nothing but these. */
export function plannedFirstOrderStep(t: number, step: FirstOrderStep): PlannedStep {
  return {
    t,
    drawsNoise: step.deviation > 0,
    advance: ({ output, x, noise }) => ({ x: firstOrderStep(step, output, x, noise), memory: [] }),
    predictSample: (output, x) => predictSample(step, output, x),
  };
}
