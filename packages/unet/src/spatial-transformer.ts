import { ArgumentError } from '@sd/core';
import { Conv2d, GroupNorm, Module, zeros } from '@sd/nn';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Conditioning, MacOptions } from './conditioning';
import { TransformerBlock } from './transformer-block';

export type SpatialTransformerConfig = {
  readonly channels: number;
  /** Divides the channels. */
  readonly heads: number;
  readonly groups: number;
  readonly depth: number;
  readonly contextDim: number;
};

/**
 * A transformer over the pixels that attends to a context: x + proj_out(blocks(proj_in(GN(x)))).
 * State: `norm`, `proj_in`, `transformer_blocks.N`, `proj_out`, as LDM's SpatialTransformer.
 */
export class SpatialTransformer extends Module {
  readonly norm: GroupNorm;
  readonly projIn: Conv2d;
  readonly blocks: readonly TransformerBlock[];
  readonly projOut: Conv2d;

  constructor(readonly config: SpatialTransformerConfig) {
    super();
    const { channels, heads, groups, depth, contextDim } = config;
    const conv = { inChannels: channels, outChannels: channels, kernel: 1 };
    this.norm = this.child('norm', new GroupNorm({ channels, groups, eps: 1e-6 })); // not the UNet's 1e-5
    this.projIn = this.child('proj_in', new Conv2d(conv));
    this.blocks = Array.from({ length: depth }, (_, i) =>
      this.child(`transformer_blocks.${i}`, new TransformerBlock({ channels, heads, contextDim })),
    );
    this.projOut = this.child('proj_out', new Conv2d({ ...conv, init: zeros }));
  }

  /**
   * @param x `[N, H, W, C]`. Borrowed. @param conditioning its context is needed.
   * @returns the same shape. Owned by the caller. @throws {ArgumentError} without a context.
   */
  forward(x: Tensor4D, { context }: Pick<Conditioning, 'context'>): Tensor4D {
    if (!context) throw new ArgumentError('SpatialTransformer', 'context', 'a tensor', context);
    const [n, h, w, c] = x.shape;
    return tf.tidy(() => {
      let tokens: Tensor3D = tf.reshape(this.projIn.forward(this.norm.forward(x)), [n, h * w, c]); // [N, T, C]
      for (const block of this.blocks) tokens = block.forward(tokens, context);
      return tf.add(x, this.projOut.forward(tf.reshape(tokens, x.shape)));
    });
  }

  /** Multiply-accumulates for one sample of this size. */
  macs(height: number, width: number, options: MacOptions): number {
    const blocks = this.blocks.reduce((sum, block) => sum + block.macs(height * width, options), 0);
    return this.projIn.macs(height, width) + blocks + this.projOut.macs(height, width);
  }
}
