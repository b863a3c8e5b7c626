import type { Tolerance } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { UNet } from '../unet';
import type { GoldenVariant } from './golden-variant';

/** Whole networks: 1e-4 of the largest value. */
export const NETWORK_TOLERANCE = 1e-4;
export const GRADIENT_TOLERANCE: Tolerance = { relative: NETWORK_TOLERANCE, of: 'gradient' };

/** Asserts that the gradients by the input and by every weight that the reference gives are the reference's. */
export async function expectGoldenGradients(variant: GoldenVariant): Promise<void> {
  const { config, weights, x, t, options, gradOut, gradX, gradients } = variant;
  const model = new UNet(config).loadStateDict(weights);
  const input = tf.variable(x);
  const variables = [...gradients.keys()].map((name) => model.parameters().get(name)!.value);
  const { value, grads } = tf.variableGrads(
    () => tf.sum(tf.mul(model.forward(input as tf.Tensor as tf.Tensor4D, t, options), gradOut)) as tf.Scalar,
    [input, ...variables],
  );
  await expect(grads[input.name], 'x').toBeAllclose(gradX, GRADIENT_TOLERANCE);
  for (const [i, [name, expected]] of [...gradients].entries()) {
    await expect(grads[variables[i].name], name).toBeAllclose(expected, GRADIENT_TOLERANCE);
  }
  tf.dispose([input, value, grads]);
  model.dispose();
}
