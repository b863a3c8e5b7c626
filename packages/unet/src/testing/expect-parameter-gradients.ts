import { foldIn, randomKey, uniformArray } from '@sd/core';
import type { Module } from '@sd/nn';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/**
 * Asserts for the parameters whose names match that the gradient of `f`, contracted with fixed weights, equals central finite differences
 * along a random direction of +-1, extrapolated by Richardson and summed in double precision.
 */
export async function expectParameterGradients(
  module: Module,
  names: RegExp,
  f: () => tf.Tensor,
  step = 0.01,
): Promise<void> {
  const parameters = [...module.parameters()].filter(([name]) => names.test(name));
  expect(parameters.length, `parameters that match ${names}`).toBeGreaterThan(0);
  const size = tf.tidy(() => f().size);
  const weights = uniformArray(randomKey(11), size, -1, 1);
  const weightTensor = tf.tensor1d(Float32Array.from(weights));
  const { value, grads } = tf.variableGrads(
    () => tf.sum(tf.mul(tf.reshape(f(), [-1]), weightTensor)) as tf.Scalar,
    parameters.map(([, parameter]) => parameter.value),
  );
  const contracted = async () => {
    const y = tf.tidy(f);
    const values = await y.data();
    y.dispose();
    return weights.reduce((sum, weight, i) => sum + weight * values[i], 0);
  };
  for (const [name, parameter] of parameters) {
    const gradient = Float32Array.from(await grads[parameter.value.name].data());
    const signs = uniformArray(foldIn(randomKey(12), name), parameter.size).map((u) => (u < 0.5 ? -1 : 1));
    const start = tf.clone(parameter.value as tf.Tensor);
    const slope = async (h: number) => {
      const at = async (sign: number) => {
        tf.tidy(() =>
          parameter.assign(
            tf.add(
              start,
              tf.tensor(
                Float32Array.from(signs, (s) => s * sign * h),
                start.shape,
              ),
            ),
          ),
        );
        return contracted();
      };
      return ((await at(1)) - (await at(-1))) / (2 * h);
    };
    const [wide, narrow] = [await slope(step), await slope(step / 2)];
    parameter.assign(start);
    start.dispose();
    const numeric = (4 * narrow - wide) / 3;
    const analytic = signs.reduce((sum, sign, i) => sum + sign * gradient[i], 0);
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
    expect(norm, `|gradient by ${name}|`).toBeGreaterThan(0);
    expect(Math.abs(numeric - analytic) / norm, `relative error of the gradient by ${name}`).toBeLessThan(5e-3);
  }
  tf.dispose([value, grads, weightTensor]);
}
