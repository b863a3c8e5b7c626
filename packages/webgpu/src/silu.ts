import { SILU_GRAD_KERNEL, SILU_KERNEL } from '@sd/nn';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { run, type WebGPUKernel } from './program';

const WORKGROUP = 256;

/** WGSL of x sigmoid(x) and of its derivative; exp overflows to infinity for very negative x, and the quotient is 0. */
export const siluWgsl = (type: 'f32' | 'vec4<f32>') => `
  fn silu(x : ${type}) -> ${type} { return x / (1.0 + exp(-x)); }
  fn siluSlope(x : ${type}) -> ${type} { let s = 1.0 / (1.0 + exp(-x)); return s * (1.0 + x * (1.0 - s)); }`;
export const SILU_WGSL = siluWgsl('f32');

/** {x} -> x sigmoid(x) */
export const silu: WebGPUKernel = {
  kernelName: SILU_KERNEL,
  run: ({ inputs: { x }, backend }) =>
    run(backend, {
      key: 'silu',
      inputs: { x: x as TensorInfo },
      outputShape: (x as TensorInfo).shape,
      numbers: {},
      workgroups: 'elements',
      workgroupSize: WORKGROUP,
      declarations: SILU_WGSL,
      code: 'result[index] = silu(x[index]);',
    }),
};

/** {x, dy} -> dx */
export const siluGrad: WebGPUKernel = {
  kernelName: SILU_GRAD_KERNEL,
  run: ({ inputs: { x, dy }, backend }) =>
    run(backend, {
      key: 'silu_grad',
      inputs: { x: x as TensorInfo, dy: dy as TensorInfo },
      outputShape: (x as TensorInfo).shape,
      numbers: {},
      workgroups: 'elements',
      workgroupSize: WORKGROUP,
      declarations: SILU_WGSL,
      code: 'result[index] = dy[index] * siluSlope(x[index]);',
    }),
};
