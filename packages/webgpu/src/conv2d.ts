import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { Conv2D, Conv2DBackpropFilter, Conv2DBackpropInput, FusedConv2D } from '@tensorflow/tfjs-core';
import { convGeometry, filterGradientGemm, forwardGemm, inputGradientGemm, isGathered } from './gemm/convolution';
import { ACTIVATIONS, type Activation, type Epilogue } from './gemm/gemm';
import { product } from './gemm/product';
import type { KernelCall, WebGPUKernel } from './program';

type Inputs = Readonly<Record<string, TensorInfo>>;

/** The cases that are left to tfjs: images as NCHW, other numbers than float32, and results without values. */
const isOurs = (attrs: NamedAttrMap, ...tensors: readonly TensorInfo[]) =>
  attrs.dataFormat !== 'NCHW' && tensors.every(({ dtype, shape }) => dtype === 'float32' && !shape.includes(0));

/**
 * Runs a convolution on operands whose channels at an axis were filled up with zeros to a multiple of four: values are
 * gathered in fours, since one by one is slow, and slow to compile.
 */
function inFours<T>(
  operands: readonly (readonly [tensor: TensorInfo, axis: number])[],
  run: (...tensors: TensorInfo[]) => T,
): T {
  const filled = operands.map(([tensor, axis]) => {
    const missing = -(tensor.shape[axis] as number) & 3;
    if (missing === 0) return null;
    const widths = tensor.shape.map((_, i): [number, number] => [0, i === axis ? missing : 0]);
    return tf.pad(asTensor(tensor), widths);
  });
  const result = run(...operands.map(([tensor], i) => filled[i] ?? tensor));
  for (const tensor of filled) tensor?.dispose();
  return result;
}

/** The tensor that an input of a kernel is when the engine calls the kernel. */
const asTensor = (info: TensorInfo): tf.Tensor =>
  info instanceof tf.Tensor ? info : tf.engine().makeTensorFromTensorInfo(info);

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
    const [kH, kW, inC, outC] = attrs.filterShape as [number, number, number, number];
    return inFours([[x, 3]], (image) => {
      const { shape } = image as TensorInfo;
      const geometry = convGeometry(shape, [kH, kW, shape[3] as number, outC], attrs);
      const gradient = product(backend, filterGradientGemm(image as TensorInfo, dy, geometry), { scaled: 'right' });
      if (shape[3] === inC) return gradient;
      const filled = tf.engine().makeTensorFromTensorInfo(gradient);
      const own = tf.slice(filled, [0, 0, 0, 0], [kH, kW, inC, outC]);
      filled.dispose();
      return own;
    });
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
