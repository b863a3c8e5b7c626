import type { TensorInfo } from '@tensorflow/tfjs-core';
import { AvgPool, backend_util } from '@tensorflow/tfjs-core';
import type { WebGPUKernel } from './program';
import { reduceRows } from './sum';

type Attributes = {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
};

/**
 * Average pooling of a whole image into one pixel, as in the gates of wavelets: a mean over rows, where tfjs has a thread
 * walk over all pixels for each channel. Other windows are left to tfjs.
 */
export const averagePool: WebGPUKernel = {
  kernelName: AvgPool,
  run: ({ inputs, attrs, backend }) => {
    const x = inputs.x as TensorInfo;
    const { filterSize, strides, pad, dimRoundingMode } = attrs as Attributes;
    const window = backend_util.computePool2DInfo(
      x.shape as [number, number, number, number],
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    const { filterHeight, filterWidth, inHeight, inWidth, outHeight, outWidth, outShape } = window;
    const isWhole = filterHeight === inHeight && filterWidth === inWidth && outHeight === 1 && outWidth === 1;
    // padded, a single window need not lie on the image
    const { top, left } = window.padInfo;
    const pooled = isWhole && top === 0 && left === 0 ? reduceRows(backend, x, [1, 2], { mean: true }) : null;
    return pooled && { ...pooled, shape: outShape };
  },
};
