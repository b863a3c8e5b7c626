import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { Conv2D, Conv2DBackpropFilter, Conv2DBackpropInput, FusedConv2D } from '@tensorflow/tfjs-core';
import { convGeometry, filterGradientGemm, forwardGemm, inputGradientGemm, isGathered } from './gemm/convolution';
import { ACTIVATIONS, type Activation, type Epilogue, type Gemm } from './gemm/gemm';
import { inFours } from './gemm/in-fours';
import { product } from './gemm/product';
import type { KernelCall, WebGPUKernel } from './program';

type Inputs = Readonly<Record<string, TensorInfo>>;

/** The cases that are left to tfjs: images as NCHW, other numbers than float32, and results without values. */
const isOurs = (attrs: NamedAttrMap, ...tensors: readonly TensorInfo[]) =>
  attrs.dataFormat !== 'NCHW' && tensors.every(({ dtype, shape }) => dtype === 'float32' && !shape.includes(0));

function convolve(
  backend: KernelCall['backend'],
  x: TensorInfo,
  filter: TensorInfo,
  attrs: NamedAttrMap,
  epilogue = {},
) {
  const run = (image: TensorInfo, weights: TensorInfo) => {
    const geometry = convGeometry(image.shape, weights.shape, attrs);
    return product(backend, forwardGemm(image, weights, geometry, epilogue), { scaled: 'none' });
  };
  if (!isGathered(convGeometry(x.shape, filter.shape, attrs))) return run(x, filter);
  return inFours(
    [
      [x, 3],
      [filter, 2],
    ],
    run as (...tensors: TensorInfo[]) => TensorInfo,
  );
}

/** {x, filter} -> y */
export const conv2d: WebGPUKernel = {
  kernelName: Conv2D,
  run: ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
    return isOurs(attrs, x, filter) ? convolve(backend, x, filter, attrs) : null;
  },
};

/** {x, filter, bias?} with {activation} -> y */
export const fusedConv2d: WebGPUKernel = {
  kernelName: FusedConv2D,
  run: ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
    const epilogue = epilogueOf(inputs, attrs, filter.shape[3] as number);
    return epilogue !== null && isOurs(attrs, x, filter) ? convolve(backend, x, filter, attrs, epilogue) : null;
  },
};

/** {dy, filter} with {inputShape} -> dx */
export const conv2dBackpropInput: WebGPUKernel = {
  kernelName: Conv2DBackpropInput,
  run: ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    if (!isOurs(attrs, dy, filter)) return null;
    const operands = [
      [dy, 3],
      [filter, 3],
    ] as const;
    return inFours(operands, (gradient, weights) => {
      const geometry = convGeometry(attrs.inputShape as number[], (weights as TensorInfo).shape, attrs);
      const gemm = inputGradientGemm(gradient as TensorInfo, weights as TensorInfo, geometry);
      return product(backend, gemm, { scaled: 'left' });
    });
  },
};

/** {x, dy} with {filterShape} -> dFilter */
export const conv2dBackpropFilter: WebGPUKernel = {
  kernelName: Conv2DBackpropFilter,
  run: ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    if (!isOurs(attrs, x, dy)) return null;
    const filterShape = attrs.filterShape as FilterShape;
    return filterGradient(backend, x, filterShape, (image, shape) =>
      filterGradientGemm(image, dy, convGeometry(image.shape, shape, attrs)),
    );
  },
};

type FilterShape = readonly [kH: number, kW: number, inC: number, outC: number];

/**
 * A filter's gradient, by a product of an image whose channels were filled up.
 * @param gemmOf the product for the filled image and for the filter's shape with as many channels.
 */
export function filterGradient(
  backend: KernelCall['backend'],
  x: TensorInfo,
  [kH, kW, inC, outC]: FilterShape,
  gemmOf: (image: TensorInfo, filterShape: FilterShape) => Gemm,
): TensorInfo {
  return inFours([[x, 3]], (image) => {
    const channels = (image as TensorInfo).shape[3] as number;
    const gemm = gemmOf(image as TensorInfo, [kH, kW, channels, outC]);
    const gradient = product(backend, gemm, { scaled: 'right' });
    if (channels === inC) return gradient;
    const filled = tf.engine().makeTensorFromTensorInfo(gradient);
    const own = tf.slice(filled, [0, 0, 0, 0], [kH, kW, inC, outC]);
    filled.dispose();
    return own;
  });
}

/** What is done to the sums of a fused operation, or null where it is none of ours. */
export function epilogueOf(inputs: Inputs, attrs: NamedAttrMap, columns: number): Epilogue | null {
  const { bias, preluActivationWeights } = inputs;
  const activation = (attrs.activation ?? 'linear') as Activation;
  if (preluActivationWeights != null || !ACTIVATIONS.includes(activation)) return null;
  if (bias == null) return { activation };
  const isRow = bias.dtype === 'float32' && bias.shape.at(-1) === columns;
  return isRow && bias.shape.slice(0, -1).every((size) => size === 1) ? { activation, bias } : null;
}
