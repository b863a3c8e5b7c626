import { expect, test } from 'vitest';
import * as names from './index';
import * as optimNames from './optim/index';

test('the public names are these', () => {
  const exported = Object.keys(names).sort();
  expect(exported).toMatchInlineSnapshot(`
    [
      "ATTENTION_GRAD_KERNEL",
      "ATTENTION_KERNEL",
      "BatchNorm2d",
      "Conv2d",
      "CountBuffer",
      "Embedding",
      "GROUP_NORM_GRAD_KERNEL",
      "GROUP_NORM_KERNEL",
      "GroupNorm",
      "LayerNorm",
      "Linear",
      "Module",
      "SELF_ATTENTION_GRAD_KERNEL",
      "SELF_ATTENTION_KERNEL",
      "SILU_GRAD_KERNEL",
      "SILU_KERNEL",
      "StateDictError",
      "TensorBuffer",
      "UPSAMPLED_CONV2D_GRAD_KERNEL",
      "UPSAMPLED_CONV2D_KERNEL",
      "add",
      "affine",
      "averagePool2x",
      "checkpointed",
      "dropout",
      "gelu",
      "groupNorm",
      "interleaved",
      "normalInit",
      "ones",
      "ownLayout",
      "renamed",
      "scaledDotProductAttention",
      "selfAttention",
      "silu",
      "torchDefaultInit",
      "uniformInit",
      "upsampleNearest2x",
      "upsampledConv2d",
      "valueAndGradients",
      "withPrefix",
      "withoutPrefix",
      "zeros",
    ]
  `);
});

test('the public names of @sd/nn/optim are these', () => {
  const exported = Object.keys(optimNames).sort();
  expect(exported).toMatchInlineSnapshot(`
    [
      "ADAMW_KERNEL",
      "AdamW",
      "ExponentialMovingAverage",
      "MULTI_TENSOR_ADAMW_KERNEL",
      "clipFactor",
      "constantRate",
      "cosineDecay",
      "globalNorm",
      "linearDecay",
      "withWarmup",
    ]
  `);
});
