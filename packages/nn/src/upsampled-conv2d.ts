import { checkShape, dispatch } from '@sd/core';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { summedTo } from './add';
import { type ConvAttributes, convolutionGradients } from './convolve';
import { averagePool2x, upsampleNearest2x } from './upsample';

/**
 * Kernel names that a backend may register.
 * `UpsampledConv2D` {x, filter, bias?} -> [y]; `UpsampledConv2DGrad` {x, filter, dy} -> [dx, dFilter].
 */
export const UPSAMPLED_CONV2D_KERNEL = 'UpsampledConv2D';
export const UPSAMPLED_CONV2D_GRAD_KERNEL = 'UpsampledConv2DGrad';

const SAME: ConvAttributes = {
  strides: 1,
  pad: [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ],
};

/**
 * A 3 x 3 convolution, padded by 1, of `upsampleNearest2x(x)`. The backward pass keeps `x`, a quarter of the upsampled
 * image, which a backend's kernel never makes.
 *
 * @param x `[N, H, W, inC]`. @param filter `[3, 3, inC, outC]`. @param bias `[outC]`. All borrowed.
 * @returns `[N, 2H, 2W, outC]`. Owned by the caller.
 * @throws {ShapeError}
 */
export function upsampledConv2d(x: Tensor4D, filter: Tensor4D, bias?: Tensor1D): Tensor4D {
  checkShape('upsampledConv2d', 'x', x, ['N', 'H', 'W', 'C']);
  checkShape('upsampledConv2d', 'filter', filter, [3, 3, x.shape[3], 'outC']);
  if (bias) checkShape('upsampledConv2d', 'bias', bias, [filter.shape[3]]);
  const op = tf.customGrad((...args) => {
    const [image, weights] = args as Tensor[] as [Tensor4D, Tensor4D];
    const save = args[bias ? 3 : 2] as unknown as tf.GradSaveFunc;
    save([image, weights]);
    const inputs = { x: image, filter: weights, ...(bias && { bias }) };
    const [value] = dispatch(
      UPSAMPLED_CONV2D_KERNEL,
      inputs,
      {},
      () => tf.fused.conv2d({ ...inputs, x: upsampleNearest2x(image), ...SAME }) as Tensor,
    );
    const gradFunc = (dy: Tensor, [savedImage, savedWeights]: Tensor[]) => {
      const saved = { x: savedImage as Tensor4D, filter: savedWeights as Tensor4D };
      const gradients = dispatch(UPSAMPLED_CONV2D_GRAD_KERNEL, { ...saved, dy }, {}, () => {
        const [upsampled, dFilter] = convolutionGradients(upsampleNearest2x(saved.x), saved.filter, dy, SAME);
        return [tf.mul(averagePool2x(upsampled as Tensor4D), 4), dFilter];
      });
      return bias ? [...gradients, summedTo(bias.shape, dy)] : gradients;
    };
    return { value, gradFunc };
  });
  return (bias ? op(x, filter, bias) : op(x, filter)) as Tensor4D;
}
