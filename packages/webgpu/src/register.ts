import { adamw } from './adamw';
import { attention, attentionGrad, selfAttention, selfAttentionGrad } from './attention/attention';
import { averagePool } from './average-pool';
import { conv2d, conv2dBackpropFilter, conv2dBackpropInput, fusedConv2d } from './conv2d';
import { groupNorm, groupNormGrad } from './group-norm';
import { gatedHaarDwt2d, gatedHaarIdwt2d, haarDwt2d, haarGateGrad, haarIdwt2d } from './haar';
import { batchMatMul, fusedMatMul } from './mat-mul';
import { multiTensorAdamW } from './multi-tensor-adamw';
import { type Precision, setPrecision } from './precision';
import { register } from './program';
import { silu, siluGrad } from './silu';
import { spectralPower, spectralPowerGrad } from './spectral-power';
import { mean, sum } from './sum';
import { threefryNormal } from './threefry-normal';
import { upsampledConv2d, upsampledConv2dGrad } from './upsampled-conv2d';

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
  selfAttention,
  selfAttentionGrad,
  haarDwt2d,
  haarIdwt2d,
  gatedHaarDwt2d,
  gatedHaarIdwt2d,
  haarGateGrad,
  spectralPower,
  spectralPowerGrad,
  sum,
  mean,
  averagePool,
  conv2d,
  fusedConv2d,
  conv2dBackpropInput,
  conv2dBackpropFilter,
  upsampledConv2d,
  upsampledConv2dGrad,
  batchMatMul,
  fusedMatMul,
];

/**
 * Registers this package's kernels on tfjs's `webgpu` backend: under the names that @sd/core, @sd/nn, @sd/wavelet and
 * @sd/spectral-loss ask for, and in place of tfjs's convolutions and matrix products with their gradients and of its sums and
 * means, so that plain `tf.conv2d` and `tf.matMul` gain too. May be called at any time, also again.
 * @param precision `mixed` uses the GPU's 16-bit matrix units where it has them (see `whyNotMixed`); float32 otherwise and
 *   by default. A further call may change it.
 * @throws ArgumentError for another precision.
 */
export async function registerWebGPUKernels({ precision }: { readonly precision?: Precision } = {}): Promise<void> {
  if (precision !== undefined) setPrecision('registerWebGPUKernels', precision);
  await import('@tensorflow/tfjs-backend-webgpu'); // registers its own kernels, which would replace these later
  for (const kernel of KERNELS) register(kernel);
}
