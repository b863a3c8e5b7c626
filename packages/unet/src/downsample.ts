import { Conv2d, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';

/**
 * A 3x3 convolution of stride 2, padded by 1 on all sides, or with `pad` 0 at the bottom and the right alone.
 * State: `op`, as LDM's `openaimodel.Downsample`.
 */
export class Downsample extends Module {
  readonly op: Conv2d;

  constructor({ channels, pad }: { readonly channels: number; readonly pad: 0 | 1 }) {
    super();
    const padding = pad === 1 ? 1 : { top: 0, bottom: 1, left: 0, right: 1 };
    this.op = this.child(
      'op',
      new Conv2d({ inChannels: channels, outChannels: channels, kernel: 3, stride: 2, pad: padding }),
    );
  }

  /** @param x `[N, H, W, C]`. Borrowed. @returns `[N, H/2, W/2, C]`, rounded up. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return this.op.forward(x);
  }

  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number): number {
    return this.op.macs(height, width);
  }
}
