import { ArgumentError, checkInteger, checkShape, dispatch } from '@sd/core';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { ones, zeros } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';
import { siluGradient } from './silu';

/**
 * Kernel names that a backend may register.
 * `GroupNorm` {x, scale, shift} with {groups, eps, silu} -> [y];
 * `GroupNormGrad` {x, scale, shift, dy} with the same attributes -> [dx, dscale, dshift].
 */
export const GROUP_NORM_KERNEL = 'GroupNorm';
export const GROUP_NORM_GRAD_KERNEL = 'GroupNormGrad';

export type GroupNormOptions = {
  readonly groups: number;
  /** 1e-5 in LDM's UNet, 1e-6 in its SpatialTransformer and autoencoder: there is no default on purpose. */
  readonly eps: number;
  /** Apply SiLU to the result, in the same pass where the backend can. */
  readonly silu?: boolean;
};

/**
 * Group normalization (Wu and He 2018), with biased variance as torch.nn.GroupNorm:
 * y = (x - mean) / sqrt(var + eps) scale + shift, mean and var over H, W and the channels of a group.
 *
 * @param x `[N, H, W, C]`. @param scale `[C]`. @param shift `[C]`. All borrowed.
 * @returns `[N, H, W, C]`. Owned by the caller.
 * @throws {ShapeError} @throws {ArgumentError} where the groups do not divide C.
 */
export function groupNorm(x: Tensor4D, scale: Tensor1D, shift: Tensor1D, options: GroupNormOptions): Tensor4D {
  checkShape('groupNorm', 'x', x, ['N', 'H', 'W', 'C']);
  const channels = x.shape[3];
  checkShape('groupNorm', 'scale', scale, [channels]);
  checkShape('groupNorm', 'shift', shift, [channels]);
  const { groups, eps, silu = false } = options;
  checkGroups('groupNorm', channels, groups);
  const attributes = { groups, eps, silu };
  const op = tf.customGrad((...args) => {
    const [xIn, scaleIn, shiftIn] = args as unknown as [Tensor4D, Tensor1D, Tensor1D];
    const save = args[3] as unknown as tf.GradSaveFunc;
    save([xIn, scaleIn, shiftIn]);
    const [value] = dispatch(GROUP_NORM_KERNEL, { x: xIn, scale: scaleIn, shift: shiftIn }, attributes, () => {
      const z = normalized(xIn, scaleIn, shiftIn, groups, eps).z;
      return silu ? tf.mul(z, tf.sigmoid(z)) : z;
    });
    const gradFunc = (dy: Tensor, [xSaved, scaleSaved, shiftSaved]: Tensor[]) =>
      dispatch(GROUP_NORM_GRAD_KERNEL, { x: xSaved, scale: scaleSaved, shift: shiftSaved, dy }, attributes, () =>
        groupNormGradient(
          xSaved as Tensor4D,
          scaleSaved as Tensor1D,
          shiftSaved as Tensor1D,
          dy as Tensor4D,
          groups,
          eps,
          silu,
        ),
      );
    return { value, gradFunc };
  });
  return op(x, scale, shift) as Tensor4D;
}

type Normalized = { xHat: Tensor; z: Tensor; inverseDeviation: Tensor };

function normalized(x: Tensor4D, scale: Tensor1D, shift: Tensor1D, groups: number, eps: number): Normalized {
  const [n, h, w, c] = x.shape;
  const pixels = tf.reshape(x, [n, h * w, c]); // [N, HW, C]
  const count = h * w * (c / groups);
  const mean = tf.div(groupSum(tf.sum(pixels, 1), groups), count); // [N, C]
  const centered = tf.sub(pixels, tf.reshape(mean, [n, 1, c])); // [N, HW, C]
  const variance = tf.div(groupSum(tf.sum(tf.square(centered), 1), groups), count); // [N, C]
  const inverseDeviation = tf.reshape(tf.rsqrt(tf.add(variance, eps)), [n, 1, c]); // [N, 1, C]
  const xHat = tf.mul(centered, inverseDeviation); // [N, HW, C]
  const z = tf.reshape(tf.add(tf.mul(xHat, scale), shift), x.shape); // [N, H, W, C]
  return { xHat, z, inverseDeviation };
}

/**
 * dx = r (g - mean(g) - xHat mean(g xHat)), g = dz scale, r = 1 / sqrt(var + eps), means over the group;
 * dscale = sum(dz xHat), dshift = sum(dz), over N, H and W.
 */
function groupNormGradient(
  x: Tensor4D,
  scale: Tensor1D,
  shift: Tensor1D,
  dy: Tensor4D,
  groups: number,
  eps: number,
  silu: boolean,
): [Tensor, Tensor, Tensor] {
  const [n, h, w, c] = x.shape;
  const { xHat, z, inverseDeviation } = normalized(x, scale, shift, groups, eps);
  const dz = tf.reshape(silu ? siluGradient(z, dy) : dy, [n, h * w, c]); // [N, HW, C]
  const sumDz = tf.sum(dz, 1); // [N, C]
  const sumDzXHat = tf.sum(tf.mul(dz, xHat), 1); // [N, C]
  const count = h * w * (c / groups);
  const meanG = tf.reshape(tf.div(groupSum(tf.mul(sumDz, scale), groups), count), [n, 1, c]);
  const meanGXHat = tf.reshape(tf.div(groupSum(tf.mul(sumDzXHat, scale), groups), count), [n, 1, c]);
  const centered = tf.sub(tf.sub(tf.mul(dz, scale), meanG), tf.mul(xHat, meanGXHat)); // [N, HW, C]
  const dx = tf.reshape(tf.mul(centered, inverseDeviation), x.shape); // [N, H, W, C]
  return [dx, tf.sum(sumDzXHat, 0), tf.sum(sumDz, 0)];
}

/** Sums the channels of each group and gives every channel its group's sum: `[N, C]` to `[N, C]`. */
function groupSum(x: Tensor, groups: number): Tensor {
  const [n, c] = x.shape;
  const sums = tf.sum(tf.reshape(x, [n, groups, c / groups]), 2, true); // [N, G, 1]
  return tf.reshape(tf.mul(sums, tf.ones([1, 1, c / groups])), [n, c]); // [N, C]
}

function checkGroups(operation: string, channels: number, groups: number): void {
  checkInteger(operation, 'groups', groups);
  if (channels % groups !== 0) {
    throw new ArgumentError(operation, 'groups', `a divisor of the ${channels} channels`, groups);
  }
}

export type GroupNormConfig = GroupNormOptions & { readonly channels: number };

/** torch.nn.GroupNorm on NHWC tensors, SiLU included where asked. State: `weight` `[C]`, `bias` `[C]`. */
export class GroupNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(readonly config: GroupNormConfig) {
    super();
    checkInteger('GroupNorm', 'channels', config.channels);
    checkGroups('GroupNorm', config.channels, config.groups);
    this.weight = this.param('weight', [config.channels], ones);
    this.bias = this.param('bias', [config.channels], zeros);
  }

  /** @param x `[N, H, W, C]`. Borrowed. @returns the same shape. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return groupNorm(x, this.weight.value as Tensor as Tensor1D, this.bias.value as Tensor as Tensor1D, this.config);
  }
}
