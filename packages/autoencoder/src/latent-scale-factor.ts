import { ArgumentError, checkAlive } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * LDM's scale_by_std: 1 / std of the first batch of latents (one number over all elements, unbiased). A diffusion model
 * sees the latent times this, and what it gives is divided by it before `decode`.
 *
 * @param z any shape of at least 2 elements. Borrowed.
 * @throws {ArgumentError} where the latents are all the same or not finite.
 */
export async function latentScaleFactor(z: Tensor): Promise<number> {
  checkAlive('latentScaleFactor', 'z', z);
  const values = await z.data();
  let mean = 0;
  for (const value of values) mean += value / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const deviation = Math.sqrt(squares / (values.length - 1));
  if (!(deviation > 0) || !Number.isFinite(deviation)) {
    throw new ArgumentError('latentScaleFactor', 'z', 'latents with a finite deviation above 0', deviation);
  }
  return 1 / deviation;
}
