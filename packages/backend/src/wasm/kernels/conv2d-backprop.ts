import type { Tensor4D, TensorInfo } from '@tensorflow/tfjs-core';
import { Conv2DBackpropFilter, Conv2DBackpropInput } from '@tensorflow/tfjs-core';
import { assertFloat32, assertGradientShape, convGeometry } from '../composed/conv-geometry';
import { composedConv2dBackpropFilter, composedConv2dBackpropInput } from '../composed/conv2d-backprop';
import { asTensor, wasmKernel } from '../wasm-kernel';

export const conv2dBackpropInput = wasmKernel(Conv2DBackpropInput, ({ inputs, attrs }): TensorInfo => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  assertFloat32(Conv2DBackpropInput, { dy, filter });
  const geometry = convGeometry(Conv2DBackpropInput, attrs.inputShape as number[], filter.shape, attrs);
  assertGradientShape(Conv2DBackpropInput, dy, geometry);
  return composedConv2dBackpropInput(asTensor<Tensor4D>(dy), asTensor<Tensor4D>(filter), geometry);
});

export const conv2dBackpropFilter = wasmKernel(Conv2DBackpropFilter, ({ inputs, attrs }): TensorInfo => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  assertFloat32(Conv2DBackpropFilter, { x, dy });
  const geometry = convGeometry(Conv2DBackpropFilter, x.shape, attrs.filterShape as number[], attrs);
  assertGradientShape(Conv2DBackpropFilter, dy, geometry);
  return composedConv2dBackpropFilter(asTensor<Tensor4D>(x), asTensor<Tensor4D>(dy), geometry);
});
