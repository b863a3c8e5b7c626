import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { summedTo } from './add';

export type ExplicitPadding = Parameters<typeof tf.fused.conv2d>[0]['pad'] & [number, number][];
export type ConvAttributes = { readonly strides: number; readonly pad: ExplicitPadding };

/**
 * `tf.fused.conv2d`, which keeps its result for the backward pass though it needs it only where there is an activation:
 * this keeps `x` and the filter.
 */
export function convolve(x: Tensor4D, filter: Tensor4D, bias: Tensor1D | undefined, attributes: ConvAttributes) {
  const op = tf.customGrad((...args) => {
    const [image, weights] = args as Tensor[] as [Tensor4D, Tensor4D];
    const save = args[bias ? 3 : 2] as unknown as tf.GradSaveFunc;
    save([image, weights]);
    const value = tf.fused.conv2d({ x: image, filter: weights, ...attributes, ...(bias && { bias }) });
    const gradFunc = (dy: Tensor, [savedImage, savedWeights]: Tensor[]) => {
      const gradients = convolutionGradients(savedImage as Tensor4D, savedWeights as Tensor4D, dy, attributes);
      return bias ? [...gradients, summedTo(bias.shape, dy)] : gradients;
    };
    return { value: value as Tensor3D | Tensor4D as Tensor, gradFunc };
  });
  return (bias ? op(x, filter, bias) : op(x, filter)) as Tensor4D;
}

/** By x and by the filter, from the kernels that tfjs's own gradient calls. */
export function convolutionGradients(
  x: Tensor4D,
  filter: Tensor4D,
  dy: Tensor,
  { strides, pad }: ConvAttributes,
): [dx: Tensor, dFilter: Tensor] {
  const shared = { strides, pad, dataFormat: 'NHWC' };
  const run = (name: string, inputs: tf.NamedTensorMap, attributes: Record<string, unknown>) =>
    tf.engine().runKernel(name, inputs, { ...shared, ...attributes } as unknown as tf.NamedAttrMap) as Tensor;
  return [
    run(tf.Conv2DBackpropInput, { dy, filter }, { inputShape: x.shape }),
    run(tf.Conv2DBackpropFilter, { x, dy }, { filterShape: filter.shape }),
  ];
}
