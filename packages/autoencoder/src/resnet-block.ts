import { foldIn, type RandomKey } from '@sd/core';
import { add, Conv2d, dropout, type GroupNorm, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { branchEnd, type LayerStyle, norm, normSilu } from './layers';

export type ForwardOptions = {
  /** Turns dropout on. Without it nothing is dropped. */
  readonly dropoutKey?: RandomKey;
};

/**
 * CompVis model.ResnetBlock without time embedding: x + conv(drop(silu(norm(conv(silu(norm(x))))))), with a 1x1
 * convolution on the skip where the width changes. State: `norm1`, `conv1`, `norm2`, `conv2`, `nin_shortcut`.
 */
export class ResnetBlock extends Module {
  readonly norm1: GroupNorm | undefined;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm | undefined;
  readonly conv2: Conv2d;
  readonly shortcut: Conv2d | undefined;

  constructor(
    inChannels: number,
    outChannels: number,
    readonly style: LayerStyle,
  ) {
    super();
    this.norm1 = this.optional('norm1', norm(inChannels, style, true));
    this.conv1 = this.child('conv1', new Conv2d({ inChannels, outChannels, kernel: 3, pad: 1 }));
    this.norm2 = this.optional('norm2', norm(outChannels, style, true));
    this.conv2 = this.child('conv2', branchEnd(outChannels, style));
    const changes = inChannels !== outChannels;
    this.shortcut = this.optional(
      'nin_shortcut',
      changes ? new Conv2d({ inChannels, outChannels, kernel: 1 }) : undefined,
    );
  }

  /** @param x `[N, H, W, inChannels]`. Borrowed. @returns `[N, H, W, outChannels]`. Owned by the caller. */
  forward(x: Tensor4D, { dropoutKey }: ForwardOptions = {}): Tensor4D {
    return tf.tidy(() => {
      const inner = normSilu(this.norm2, this.conv1.forward(normSilu(this.norm1, x)));
      const branch = this.conv2.forward(dropout(inner, this.style.dropout, dropoutKey));
      return add<Tensor4D>(this.shortcut?.forward(x) ?? x, branch);
    });
  }

  /** Multiply-accumulates of the convolutions for one sample. */
  macs(height: number, width: number): number {
    return [this.conv1, this.conv2, this.shortcut].reduce((sum, conv) => sum + (conv?.macs(height, width) ?? 0), 0);
  }

  private optional<M extends Module>(name: string, module: M | undefined): M | undefined {
    return module && this.child(name, module);
  }
}

/** The options for the n-th part of a module, so that no two parts drop by the same random numbers. */
export function partOptions({ dropoutKey }: ForwardOptions, part: number | string): ForwardOptions {
  return dropoutKey ? { dropoutKey: foldIn(dropoutKey, part) } : {};
}
