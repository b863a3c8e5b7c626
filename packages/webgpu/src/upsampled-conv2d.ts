import { UPSAMPLED_CONV2D_GRAD_KERNEL, UPSAMPLED_CONV2D_KERNEL } from '@sd/nn';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { filterGradient } from './conv2d';
import { filterGradientGemm, forwardGemm, upsampledGeometry, upsampledInputGradientGemm } from './gemm/convolution';
import { inFours } from './gemm/in-fours';
import { product } from './gemm/product';
import { summedTaps } from './gemm/summed-taps';
import type { WebGPUKernel } from './program';

type Shape4 = [number, number, number, number];
type Run = (...tensors: TensorInfo[]) => TensorInfo;

/** {x, filter, bias?} -> y. The image is gathered as if it were upsampled. */
export const upsampledConv2d: WebGPUKernel = {
  kernelName: UPSAMPLED_CONV2D_KERNEL,
  run: ({ inputs, backend }) => {
    const { x, filter, bias } = inputs as { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo };
    const convolve = (image: TensorInfo, weights: TensorInfo) => {
      const geometry = upsampledGeometry(image.shape, weights.shape);
      return product(backend, forwardGemm(image, weights, geometry, bias && { bias }), { scaled: 'none' });
    };
    return inFours(
      [
        [x, 3],
        [filter, 2],
      ],
      convolve as Run,
    );
  },
};

/** {x, filter, dy} -> dx, dFilter */
export const upsampledConv2dGrad: WebGPUKernel = {
  kernelName: UPSAMPLED_CONV2D_GRAD_KERNEL,
  run: ({ inputs, backend }) => {
    const { x, filter, dy } = inputs as { x: TensorInfo; filter: TensorInfo; dy: TensorInfo };
    const inputGradient = (gradient: TensorInfo, weights: TensorInfo) => {
      const taps = summedTaps(backend, weights);
      const dx = product(backend, upsampledInputGradientGemm(gradient, taps), { scaled: 'left' });
      backend.disposeData(taps.dataId);
      return dx;
    };
    const dx = inFours(
      [
        [dy, 3],
        [filter, 3],
      ],
      inputGradient as Run,
    );
    const dFilter = filterGradient(backend, x, filter.shape as Shape4, (image, shape) =>
      filterGradientGemm(image, dy, upsampledGeometry(image.shape, shape)),
    );
    return [dx, dFilter];
  },
};
