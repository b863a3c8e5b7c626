import type { TensorInfo } from '@tensorflow/tfjs-core';
import { DepthwiseConv2dNativeBackpropFilter, DepthwiseConv2dNativeBackpropInput } from '@tensorflow/tfjs-core';
import { assertFloat32, assertGradientShape, convGeometry } from '../composed/conv-geometry';
import { depthwiseBackpropFilter, depthwiseBackpropInput } from '../composed/depthwise-backprop';
import { heapFloats, wasmKernel } from '../wasm-kernel';

export const depthwiseConv2dBackpropInput = wasmKernel(
  DepthwiseConv2dNativeBackpropInput,
  ({ inputs, attrs, backend }): TensorInfo => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    assertFloat32(DepthwiseConv2dNativeBackpropInput, { dy, filter });
    const inputShape = attrs.inputShape as number[];
    const geometry = convGeometry(DepthwiseConv2dNativeBackpropInput, inputShape, filter.shape, attrs, true);
    assertGradientShape(DepthwiseConv2dNativeBackpropInput, dy, geometry);
    const dx = backend.makeOutput(inputShape, 'float32'); // before the views: growing the memory detaches them
    depthwiseBackpropInput(heapFloats(backend, dy), heapFloats(backend, filter), heapFloats(backend, dx), geometry);
    return dx;
  },
);

export const depthwiseConv2dBackpropFilter = wasmKernel(
  DepthwiseConv2dNativeBackpropFilter,
  ({ inputs, attrs, backend }): TensorInfo => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    assertFloat32(DepthwiseConv2dNativeBackpropFilter, { x, dy });
    const filterShape = attrs.filterShape as number[];
    const geometry = convGeometry(DepthwiseConv2dNativeBackpropFilter, x.shape, filterShape, attrs, true);
    assertGradientShape(DepthwiseConv2dNativeBackpropFilter, dy, geometry);
    const dw = backend.makeOutput(filterShape, 'float32');
    depthwiseBackpropFilter(heapFloats(backend, x), heapFloats(backend, dy), heapFloats(backend, dw), geometry);
    return dw;
  },
);
