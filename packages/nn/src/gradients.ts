import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from './parameter';
import { releasing } from './releasing';

export type ValueAndGradients = { readonly value: Scalar; readonly gradients: Map<string, Tensor> };

/**
 * The value of a scalar function and its gradients by exactly these parameters: others, such as a frozen teacher's,
 * are constants. Activations are freed as the backward pass uses them.
 *
 * @param f differentiable; its intermediate tensors are disposed.
 * @returns the value and one gradient per parameter that has an influence, by the parameters' names. All owned by the
 * caller.
 */
export function valueAndGradients(f: () => Scalar, parameters: ReadonlyMap<string, Parameter>): ValueAndGradients {
  const names = new Map<string, string>(); // tfjs's global variable name -> dotted name
  const variables = [...parameters].map(([name, parameter]) => {
    names.set(parameter.value.name, name);
    return parameter.value;
  });
  const { value, grads } = tf.variableGrads(releasing(f), variables);
  const gradients = new Map<string, Tensor>();
  for (const [variable, gradient] of Object.entries(grads)) {
    if (gradient) gradients.set(names.get(variable) as string, gradient);
  }
  return { value, gradients };
}
