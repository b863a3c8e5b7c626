import { ShapeError } from '@sd/core';
import { type Conv2d, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { downsampleConv, type LayerStyle } from './layers';

/**
 * CompVis model.Downsample: zero padding of one pixel at the bottom and at the right only, then a 3x3 convolution of
 * stride 2 (the UNet's pads all around). State: `conv`.
 */
export class Downsample extends Module {
  readonly conv: Conv2d;

  constructor(
    readonly channels: number,
    style: LayerStyle,
  ) {
    super();
    this.conv = this.child('conv', downsampleConv(channels, style));
  }

  /**
   * @param x `[N, H, W, channels]`, H and W even. Borrowed. @returns `[N, H/2, W/2, channels]`. Owned by the caller.
   * @throws {ShapeError}
   */
  forward(x: Tensor4D): Tensor4D {
    if (x.shape.length !== 4 || x.shape[1] % 2 !== 0 || x.shape[2] % 2 !== 0) {
      throw new ShapeError('Downsample', 'x', `[N, even, even, ${this.channels}]`, x.shape);
    }
    return this.conv.forward(x);
  }

  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number): number {
    return this.conv.macs(height, width);
  }
}
