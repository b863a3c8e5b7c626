import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { Conv2D, Conv2DBackpropFilter, Conv2DBackpropInput, FusedConv2D } from '@tensorflow/tfjs-core';
import { convGeometry, filterGradientGemm, forwardGemm, inputGradientGemm } from './gemm/convolution';
import { ACTIVATIONS, type Activation, type Epilogue } from './gemm/gemm';
import { product } from './gemm/product';
import type { WebGPUKernel } from './program';

type Inputs = Readonly<Record<string, TensorInfo>>;

/** The cases that are left to tfjs: images as NCHW, other numbers than float32, and results without values. */
const isOurs = (attrs: NamedAttrMap, ...tensors: readonly TensorInfo[]) =>
  attrs.dataFormat !== 'NCHW' && tensors.every(({ dtype, shape }) => dtype === 'float32' && !shape.includes(0));

/** {x, filter} -> y */
export const conv2d: WebGPUKernel = {
  kernelName: Conv2D,
  run: ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
    if (!isOurs(attrs, x, filter)) return null;
    const geometry = convGeometry(x.shape, filter.shape, attrs);
    return product(backend, forwardGemm(x, filter, geometry), { scaled: 'none' });
  },
};

/** {x, filter, bias?} with {activation} -> y */
export const fusedConv2d: WebGPUKernel = {
  kernelName: FusedConv2D,
  run: ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
    const epilogue = epilogueOf(inputs, attrs, filter.shape[3] as number);
    if (epilogue === null || !isOurs(attrs, x, filter)) return null;
    const geometry = convGeometry(x.shape, filter.shape, attrs);
    return product(backend, forwardGemm(x, filter, geometry, epilogue), { scaled: 'none' });
  },
};

/** {dy, filter} with {inputShape} -> dx */
export const conv2dBackpropInput: WebGPUKernel = {
  kernelName: Conv2DBackpropInput,
  run: ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    if (!isOurs(attrs, dy, filter)) return null;
    const geometry = convGeometry(attrs.inputShape as number[], filter.shape, attrs);
    return product(backend, inputGradientGemm(dy, filter, geometry), { scaled: 'left' });
  },
};

/** {x, dy} with {filterShape} -> dFilter */
export const conv2dBackpropFilter: WebGPUKernel = {
  kernelName: Conv2DBackpropFilter,
  run: ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    if (!isOurs(attrs, x, dy)) return null;
    const geometry = convGeometry(x.shape, attrs.filterShape as number[], attrs);
    return product(backend, filterGradientGemm(x, dy, geometry), { scaled: 'right' });
  },
};

/** What is done to the sums of a fused operation, or null where it is none of ours. */
export function epilogueOf(inputs: Inputs, attrs: NamedAttrMap, columns: number): Epilogue | null {
  const { bias, preluActivationWeights } = inputs;
  const activation = (attrs.activation ?? 'linear') as Activation;
  if (preluActivationWeights != null || !ACTIVATIONS.includes(activation)) return null;
  if (bias == null) return { activation };
  const isRow = bias.dtype === 'float32' && bias.shape.at(-1) === columns;
  return isRow && bias.shape.slice(0, -1).every((size) => size === 1) ? { activation, bias } : null;
}
