import { BatchNorm2d, Module, type Parameter, torchDefaultInit } from '@sd/nn';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type BasicConv2dConfig = {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the filter. */
  readonly kernel: readonly [number, number];
  readonly stride?: number;
  /** Zeros above and below, left and right. */
  readonly pad?: readonly [number, number];
};

/** Of TensorFlow's Inception, whose weights these are. */
const EPS = 1e-3;

/**
 * Inception's layer: a convolution without bias, batch normalization by the running statistics, ReLU. The normalization
 * is folded into the filter, so that it costs no pass over the map. State: `conv.weight` and `bn.*`.
 */
export class BasicConv2d extends Module {
  readonly weight: Parameter;
  readonly norm: BatchNorm2d;

  constructor(readonly config: BasicConv2dConfig) {
    super();
    const { inChannels, outChannels, kernel } = config;
    const shape = [outChannels, inChannels, ...kernel];
    this.weight = this.param('conv.weight', shape, torchDefaultInit(inChannels * kernel[0] * kernel[1]), 'oihw->hwio');
    this.norm = this.child('bn', new BatchNorm2d({ channels: outChannels, eps: EPS }));
  }

  /** @param x `[N, H, W, inChannels]`. Borrowed. @returns `[N, H', W', outChannels]`. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    const { stride = 1, pad = [0, 0] } = this.config;
    const { weight, bias, runningMean, runningVar } = this.norm;
    return tf.tidy(() => {
      const factor = tf.mul(weight.value, tf.rsqrt(tf.add(runningVar.value, EPS))); // [outChannels]
      return tf.fused.conv2d({
        x,
        filter: tf.mul(this.weight.value, factor) as Tensor4D, // [kh, kw, in, out]
        bias: tf.sub(bias.value as Tensor, tf.mul(runningMean.value, factor)) as Tensor1D,
        strides: stride,
        pad: [
          [0, 0],
          [pad[0], pad[0]],
          [pad[1], pad[1]],
          [0, 0],
        ],
        activation: 'relu',
      }) as Tensor as Tensor4D;
    });
  }

  /** Multiply-accumulates of one image, and the height and width that come out. */
  cost(height: number, width: number): { readonly macs: number; readonly size: readonly [number, number] } {
    const { kernel, stride = 1, pad = [0, 0] } = this.config;
    const size = [height, width].map((input, i) => Math.floor((input + 2 * pad[i]! - kernel[i]!) / stride) + 1);
    return { macs: size[0]! * size[1]! * this.weight.size, size: [size[0]!, size[1]!] };
  }
}
