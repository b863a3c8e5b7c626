import { type Conv2d, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { type LayerStyle, upsampleConv } from './layers';

/** CompVis model.Upsample: nearest-neighbour upsampling by 2, then a 3x3 convolution. State: `conv`. */
export class Upsample extends Module {
  readonly conv: Conv2d;

  constructor(channels: number, style: LayerStyle) {
    super();
    this.conv = this.child('conv', upsampleConv(channels, style));
  }

  /** @param x `[N, H, W, channels]`. Borrowed. @returns `[N, 2H, 2W, channels]`. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return this.conv.forwardUpsampled(x);
  }

  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number): number {
    return this.conv.macs(2 * height, 2 * width);
  }
}
