import { toFloat32 } from '@sd/checkpoint';
import { valueAndGradients } from '@sd/nn';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { unetConfigFromDiffusers } from '../diffusers-config';
import { UNet } from '../unet';
import { DIFFUSERS_VARIANTS, diffusersVariant } from './diffusers-variants';
import { GRADIENT_TOLERANCE, NETWORK_TOLERANCE } from './expect-golden-gradients';

export { DIFFUSERS_VARIANTS };

/** Asserts diffusers' output. */
export async function expectVariantOutput(name: (typeof DIFFUSERS_VARIANTS)[number]): Promise<void> {
  const { json, weights, x, t, options, y } = diffusersVariant(name);
  const model = new UNet(unetConfigFromDiffusers(json)).loadStateDict(weights);
  await expect(model.forward(x, t, options)).toBeAllclose(y, NETWORK_TOLERANCE);
  model.dispose();
}

/** Asserts diffusers' output, and its gradients by the input and by the weights that the reference gives. */
export async function expectVariant(name: (typeof DIFFUSERS_VARIANTS)[number]): Promise<void> {
  const { json, weights, x, t, options, y, gradOut, gradX, gradients } = diffusersVariant(name);
  const model = new UNet(unetConfigFromDiffusers(json)).loadStateDict(weights);
  await expect(model.forward(x, t, options)).toBeAllclose(y, NETWORK_TOLERANCE);
  const product = (image: tf.Tensor) =>
    tf.sum(tf.mul(model.forward(image as tf.Tensor4D, t, options), gradOut)) as tf.Scalar;
  await expect(tf.grad(product)(x), 'x').toBeAllclose(gradX, GRADIENT_TOLERANCE);

  const byName = valueAndGradients(() => product(x), model.parameters()).gradients;
  const steps = model
    .planLoad(weights)
    .steps.filter(({ sources }) => sources.some((source) => gradients.has(source.name)));
  expect(steps.length).toBeGreaterThan(0);
  // as the weights are written, so are their gradients
  const parameters = model.parameters();
  for (const { name: own } of steps) parameters.get(own)!.assign(byName.get(own)!);
  const written = await model.stateDict({ layout: 'diffusers' });
  for (const [key, expected] of gradients) {
    await expect(toFloat32(written.get(key)!), key).toBeAllclose(expected, GRADIENT_TOLERANCE);
  }
  model.dispose();
}
