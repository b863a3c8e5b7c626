import { Conv2d, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';

/** Nearest-neighbour upsampling by 2 and a 3x3 convolution. State: `conv`, as LDM's `openaimodel.Upsample`. */
export class Upsample extends Module {
  readonly conv: Conv2d;

  constructor({ channels }: { readonly channels: number }) {
    super();
    this.conv = this.child('conv', new Conv2d({ inChannels: channels, outChannels: channels, kernel: 3, pad: 1 }));
  }

  /** @param x `[N, H, W, C]`. Borrowed. @returns `[N, 2H, 2W, C]`. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return this.conv.forwardUpsampled(x);
  }

  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number): number {
    return this.conv.macs(2 * height, 2 * width);
  }
}
