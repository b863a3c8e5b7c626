import { foldIn, type RandomKey } from '@sd/core';
import { Conv2d, dropout, GroupNorm, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { groupsOf } from './config';

/** GroupNorm's eps everywhere in LDM's autoencoder; the UNet's is 1e-5. */
export const NORM_EPS = 1e-6;

export type ResnetBlockConfig = {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly normGroups: number;
  readonly dropout: number;
};

export type ForwardOptions = {
  /** Turns dropout on. Without it nothing is dropped. */
  readonly dropoutKey?: RandomKey;
};

/**
 * CompVis model.ResnetBlock without time embedding: x + conv(drop(silu(norm(conv(silu(norm(x))))))), with a 1x1
 * convolution on the skip where the width changes. State: `norm1`, `conv1`, `norm2`, `conv2`, `nin_shortcut`.
 */
export class ResnetBlock extends Module {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  readonly shortcut: Conv2d | undefined;

  constructor(readonly config: ResnetBlockConfig) {
    super();
    const { inChannels, outChannels, normGroups } = config;
    const norm = (channels: number) =>
      new GroupNorm({ channels, groups: groupsOf(channels, normGroups), eps: NORM_EPS, silu: true });
    this.norm1 = this.child('norm1', norm(inChannels));
    this.conv1 = this.child('conv1', new Conv2d({ inChannels, outChannels, kernel: 3, pad: 1 }));
    this.norm2 = this.child('norm2', norm(outChannels));
    this.conv2 = this.child('conv2', new Conv2d({ inChannels: outChannels, outChannels, kernel: 3, pad: 1 }));
    if (inChannels !== outChannels) {
      this.shortcut = this.child('nin_shortcut', new Conv2d({ inChannels, outChannels, kernel: 1 }));
    }
  }

  /** @param x `[N, H, W, inChannels]`. Borrowed. @returns `[N, H, W, outChannels]`. Owned by the caller. */
  forward(x: Tensor4D, { dropoutKey }: ForwardOptions = {}): Tensor4D {
    return tf.tidy(() => {
      const inner = this.conv1.forward(this.norm1.forward(x));
      const dropped = dropout(this.norm2.forward(inner), this.config.dropout, dropoutKey);
      return tf.add(this.shortcut?.forward(x) ?? x, this.conv2.forward(dropped));
    });
  }

  /** Multiply-accumulates of the convolutions for one sample. */
  macs(height: number, width: number): number {
    const convs = [this.conv1, this.conv2, ...(this.shortcut ? [this.shortcut] : [])];
    return convs.reduce((sum, conv) => sum + conv.macs(height, width), 0);
  }
}

/** The options for the n-th part of a module, so that no two parts drop by the same random numbers. */
export function partOptions({ dropoutKey }: ForwardOptions, part: number | string): ForwardOptions {
  return dropoutKey ? { dropoutKey: foldIn(dropoutKey, part) } : {};
}
