import { Conv2d, GroupNorm, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

const GROUPS = 4;

/**
 * The branch that FLUX.2's TAEF2 adds in front of a block: x + conv(relu(norm(conv(x)))), 1x1 convolutions to four times
 * the width and back. State: `0`, `1`, `3`, the places in a torch.nn.Sequential.
 */
export class TinyPool extends Module {
  readonly expand: Conv2d;
  readonly norm: GroupNorm;
  readonly project: Conv2d;

  constructor(channels: number) {
    super();
    const wide = 4 * channels;
    this.expand = this.child('0', new Conv2d({ inChannels: channels, outChannels: wide, kernel: 1, bias: false }));
    this.norm = this.child('1', new GroupNorm({ channels: wide, groups: GROUPS, eps: 1e-5 }));
    this.project = this.child('3', new Conv2d({ inChannels: wide, outChannels: channels, kernel: 1, bias: false }));
  }

  /** @param x `[N, H, W, channels]`. Borrowed. @returns the same shape. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return tf.tidy(() => {
      const wide = tf.relu(this.norm.forward(this.expand.forward(x))); // [N, H, W, 4 channels]
      return tf.add(x, this.project.forward(wide));
    });
  }

  /** Multiply-accumulates of the convolutions for one sample. */
  macs(height: number, width: number): number {
    return this.expand.macs(height, width) + this.project.macs(height, width);
  }
}
