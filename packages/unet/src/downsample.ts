import { Conv2d, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';

/** A 3x3 convolution of stride 2, padded by 1 on all sides. State: `op`, as LDM's `openaimodel.Downsample`. */
export class Downsample extends Module {
  readonly op: Conv2d;

  constructor({ channels }: { readonly channels: number }) {
    super();
    this.op = this.child(
      'op',
      new Conv2d({ inChannels: channels, outChannels: channels, kernel: 3, stride: 2, pad: 1 }),
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
