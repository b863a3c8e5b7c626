import { ADAMW_KERNEL } from '@sd/nn/optim';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { f32, run, type WebGPUKernel } from './program';

const WORKGROUP = 256;

type Attributes = Readonly<Record<'decay' | 'beta1' | 'beta2' | 'stepSize' | 'denominatorScale' | 'eps', number>>;
type Inputs = Readonly<Record<'parameter' | 'gradient' | 'expAvg' | 'expAvgSq' | 'gradientScale', TensorInfo>>;

/**
 * AdamW of one parameter (see `AdamW` of @sd/nn) in three dispatches, one for each result:
 *   m' = beta1 m + (1 - beta1) g   v' = beta2 v + (1 - beta2) g^2   p' = decay p - stepSize m' / (sqrt(v') scale + eps)
 * with g the gradient times `gradientScale`.
 * {parameter, gradient, expAvg, expAvgSq, gradientScale} -> [parameter, expAvg, expAvgSq]
 */
export const adamw: WebGPUKernel = {
  kernelName: ADAMW_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const { parameter, gradient, expAvg, expAvgSq, gradientScale } = inputs as Inputs;
    const { decay, beta1, beta2, stepSize, denominatorScale, eps } = attrs as Attributes;
    const common = { outputShape: parameter.shape, workgroups: 'elements', workgroupSize: WORKGROUP } as const;
    const moment = run(backend, {
      ...common,
      key: 'adamw_moment',
      inputs: { expAvg, gradient, gradientScale },
      numbers: { beta1: f32(beta1), rest: f32(1 - beta1) },
      code: 'result[index] = uniforms.beta1 * expAvg[index] + uniforms.rest * (gradient[index] * gradientScale[0]);',
    });
    const square = run(backend, {
      ...common,
      key: 'adamw_square',
      inputs: { expAvgSq, gradient, gradientScale },
      numbers: { beta2: f32(beta2), rest: f32(1 - beta2) },
      code: `
        let g = gradient[index] * gradientScale[0];
        result[index] = uniforms.beta2 * expAvgSq[index] + uniforms.rest * (g * g);`,
    });
    const value = run(backend, {
      ...common,
      key: 'adamw_value',
      inputs: { parameter, moment, square },
      numbers: { decay: f32(decay), stepSize: f32(stepSize), denominatorScale: f32(denominatorScale), eps: f32(eps) },
      code: `
        let denominator = sqrt(square[index]) * uniforms.denominatorScale + uniforms.eps;
        result[index] = uniforms.decay * parameter[index] - uniforms.stepSize * (moment[index] / denominator);`,
    });
    return [value, moment, square];
  },
};
