import { randomKey, uniform } from '@sd/core';
import type { Module } from '@sd/nn';
import { valueAndGradients } from '@sd/nn';
import type { Rank, Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderKLConfig, VQModelConfig } from './config';
import { presets } from './presets';

/** First stages of f2 that even the cpu backend trains in seconds, with LDM's layers. */
export const smallKL: AutoencoderKLConfig = {
  ...presets['kl-f8'],
  ch: 4,
  chMult: [1, 2],
  numResBlocks: 1,
  attnResolutions: [4],
  resolution: 8,
  zChannels: 2,
  embedDim: 3,
  normGroups: 2,
};

export const smallVQ: VQModelConfig = {
  ...presets['vq-f4'],
  ch: 4,
  chMult: [1, 2],
  numResBlocks: 1,
  resolution: 8,
  zChannels: 2,
  embedDim: 3,
  nEmbed: 8,
  normGroups: 2,
};

/** Images `[count, size, size, 3]` of numbers in [-1, 1). */
export function images(count: number, size = 8, seed = 1): Tensor4D {
  return uniform<Rank.R4>(randomKey(seed), [count, size, size, 3], -1, 1);
}

/** Plain gradient descent; gives the loss before each step. */
export async function descend(
  model: Module,
  loss: (step: number) => Scalar,
  steps: number,
  rate: number,
): Promise<number[]> {
  const losses: number[] = [];
  const parameters = model.parameters();
  for (let step = 0; step < steps; step++) {
    const { value, gradients } = valueAndGradients(() => loss(step), parameters);
    for (const [name, gradient] of gradients) {
      const parameter = parameters.get(name);
      tf.tidy(() => parameter?.assign(tf.sub(parameter.value, tf.mul(gradient, rate))));
    }
    losses.push((await value.data())[0]);
    tf.dispose([value, ...gradients.values()]);
  }
  return losses;
}
