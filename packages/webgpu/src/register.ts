import { adamw } from './adamw';
import { attention, attentionGrad } from './attention';
import { conv2dBackpropFilter } from './conv2d-backprop-filter';
import { groupNorm, groupNormGrad } from './group-norm';
import { gatedHaarDwt2d, gatedHaarIdwt2d, haarDwt2d, haarGateGrad, haarIdwt2d } from './haar';
import { multiTensorAdamW } from './multi-tensor-adamw';
import { register } from './program';
import { silu, siluGrad } from './silu';
import { sum } from './sum';
import { threefryNormal } from './threefry-normal';

const KERNELS = [
  groupNorm,
  groupNormGrad,
  silu,
  siluGrad,
  adamw,
  multiTensorAdamW,
  threefryNormal,
  attention,
  attentionGrad,
  haarDwt2d,
  haarIdwt2d,
  gatedHaarDwt2d,
  gatedHaarIdwt2d,
  haarGateGrad,
  sum,
  conv2dBackpropFilter,
];

/**
 * Registers this package's kernels on tfjs's `webgpu` backend: under the names that @sd/core, @sd/nn and @sd/wavelet ask
 * for, and in place of tfjs's slow filter gradient and sums, so that plain `tf.conv2d` gains too. May be called at any
 * time, also again.
 */
export async function registerWebGPUKernels(): Promise<void> {
  await import('@tensorflow/tfjs-backend-webgpu'); // registers its own kernels, which would replace these later
  for (const kernel of KERNELS) register(kernel);
}
