import { ArgumentError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { OUTPUT_PAIR, pairName } from './feature-pair';

/**
 * A model as distillation knows it: any function, of this project's UNet, a tf.GraphModel or a tf.LayersModel.
 *
 * @param x noisy images `[N, H, W, C]`. Borrowed. @param t one timestep per image. @param condition whatever the model
 * takes. @returns the prediction `[N, H, W, C]` and, for feature distillation, tensors by name. Owned by the caller.
 */
export type DiffusionModel<Condition = undefined> = (
  x: Tensor4D,
  t: readonly number[],
  condition: Condition,
) => ModelOutput;

export type ModelOutput = {
  readonly output: Tensor4D;
  readonly features?: Readonly<Record<string, Tensor4D>>;
};

/**
 * A model's output and features under the names of `pairFeatures`. The tensors are the given ones.
 * @throws {ArgumentError} when two of them would have the same name.
 */
export function pairedTensors({ output, features = {} }: ModelOutput): Record<string, Tensor4D> {
  const paired: Record<string, Tensor4D> = { [OUTPUT_PAIR]: output };
  for (const [feature, tensor] of Object.entries(features)) {
    const name = pairName(feature);
    if (Object.hasOwn(paired, name)) {
      throw new ArgumentError('pairedTensors', 'features', `named apart from ${name}, dots counting as _`, feature);
    }
    paired[name] = tensor;
  }
  return paired;
}
