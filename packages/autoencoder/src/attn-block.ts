import { add, Conv2d, type GroupNorm, Module, scaledDotProductAttention } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type LayerStyle, norm } from './layers';

/**
 * CompVis model.AttnBlock: self-attention of one head over all pixels, with a residual. Its memory grows with the square
 * of the pixels. State: `norm`, `q`, `k`, `v`, `proj_out`, the last four 1x1 convolutions.
 */
export class AttnBlock extends Module {
  readonly norm: GroupNorm | undefined;
  readonly q: Conv2d;
  readonly k: Conv2d;
  readonly v: Conv2d;
  readonly projOut: Conv2d;

  constructor(channels: number, style: LayerStyle) {
    super();
    const conv = () => new Conv2d({ inChannels: channels, outChannels: channels, kernel: 1 });
    const before = norm(channels, style, false);
    if (before) this.norm = this.child('norm', before);
    this.q = this.child('q', conv());
    this.k = this.child('k', conv());
    this.v = this.child('v', conv());
    this.projOut = this.child('proj_out', conv());
  }

  /** @param x `[N, H, W, channels]`. Borrowed. @returns the same shape. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return tf.tidy(() => {
      const [n, height, width, channels] = x.shape;
      const h = this.norm?.forward(x) ?? x;
      const tokens = (t: Tensor4D): Tensor4D => tf.reshape(t, [n, 1, height * width, channels]); // [N, 1, T, C]
      const attended = scaledDotProductAttention(
        tokens(this.q.forward(h)),
        tokens(this.k.forward(h)),
        tokens(this.v.forward(h)),
      );
      return add<Tensor4D>(x, this.projOut.forward(tf.reshape(attended, x.shape))); // [N, H, W, C]
    });
  }

  /** Multiply-accumulates of the convolutions for one sample; the products with k and v are not counted. */
  macs(height: number, width: number): number {
    return [this.q, this.k, this.v, this.projOut].reduce((sum, conv) => sum + conv.macs(height, width), 0);
  }
}
