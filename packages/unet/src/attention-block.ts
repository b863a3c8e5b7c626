import { add, GroupNorm, Linear, Module, zeros } from '@sd/nn';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { MacOptions } from './conditioning';
import { joinHeads, selfAttend } from './multi-head-attention';

export type AttentionBlockConfig = {
  readonly channels: number;
  /** Divides the channels. */
  readonly heads: number;
  /** Groups of the normalization, or none of it. */
  readonly groups: number | 'none';
  readonly eps: number;
  /** The sum is divided by it. Default 1. */
  readonly outputScale?: number;
};

/**
 * Self-attention over all pixels, with a residual: (x + proj_out(attention(qkv(GN(x))))) / outputScale.
 *
 * The 3C channels of qkv are ordered per head, [q, k, v] of the first head first: LDM's `QKVAttentionLegacy`.
 * State: `norm`, `qkv` and `proj_out` (1-D convolutions, `[out, in, 1]`), as `openaimodel.AttentionBlock`.
 */
export class AttentionBlock extends Module {
  readonly norm: GroupNorm | undefined;
  readonly qkv: Linear;
  readonly projOut: Linear;

  constructor(readonly config: AttentionBlockConfig) {
    super();
    const { channels, groups, eps } = config;
    const linear = { inFeatures: channels, weightShape: 'conv1d' } as const;
    if (groups !== 'none') this.norm = this.child('norm', new GroupNorm({ channels, groups, eps }));
    this.qkv = this.child('qkv', new Linear({ ...linear, outFeatures: 3 * channels }));
    this.projOut = this.child('proj_out', new Linear({ ...linear, outFeatures: channels, init: zeros }));
  }

  /** @param x `[N, H, W, C]`. Borrowed. @returns the same shape. Owned by the caller. @throws {ShapeError} */
  forward(x: Tensor4D): Tensor4D {
    const { channels, heads, outputScale = 1 } = this.config;
    return tf.tidy(() => {
      const rows = tf.reshape(this.norm ? this.norm.forward(x) : x, [-1, channels]) as Tensor2D; // [N H W, C]
      const attended = selfAttend(rows, weightOf(this.qkv), biasOf(this.qkv), { heads, batch: x.shape[0] });
      const y = joinHeads(attended, weightOf(this.projOut), biasOf(this.projOut)); // [N H W, C]
      const sum = add<Tensor4D>(x, tf.reshape(y, x.shape));
      return outputScale === 1 ? sum : (tf.div(sum, outputScale) as Tensor4D);
    });
  }

  /** Multiply-accumulates for one sample of this size. */
  macs(height: number, width: number, { attention }: MacOptions): number {
    const tokens = height * width;
    const products = attention ? 2 * tokens * tokens * this.config.channels : 0;
    return this.qkv.macs(tokens) + this.projOut.macs(tokens) + products;
  }
}

const weightOf = (linear: Linear) => linear.weight.value as Tensor as Tensor2D;
const biasOf = (linear: Linear) => linear.bias?.value as Tensor as Tensor1D;
