import { useBackend } from '@sd/backend';
import { groupNorm } from '@sd/nn';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { expectSameAsCpu, random } from './same-as-cpu';

const norm = (groups: number, silu: boolean) => (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) =>
  groupNorm(x as tf.Tensor4D, scale as tf.Tensor1D, shift as tf.Tensor1D, { groups, eps: 1e-3, silu });

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test.each([
    { shape: [3, 61, 53, 28], groups: 7, silu: true },
    { shape: [3, 61, 53, 28], groups: 4, silu: false }, // four channels of two groups
    { shape: [2, 17, 16, 520], groups: 104, silu: true }, // more channels than a workgroup takes
    { shape: [2, 17, 16, 520], groups: 4, silu: false }, // groups of more channels than threads
  ])('groupNorm of $shape in $groups groups, by blocks, is the composition, forward and backward', async (each) => {
    const f = norm(each.groups, each.silu);
    await expectSameAsCpu(() => {
      const [c, { shape }] = [each.shape[3]!, each];
      const inputs = [random(shape, 1), random([c], 2), random([c], 3)];
      return [f(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])), ...tf.grads(f)(inputs, random(shape, 4))];
    });
  });
});
