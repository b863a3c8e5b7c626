import { ArgumentError } from '@sd/core';
import { add, Conv2d, GroupNorm, Linear, Module, zeros } from '@sd/nn';
import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
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
  /** Linear layers around the blocks instead of 1x1 convolutions. Default false. */
  readonly useLinearProjection?: boolean;
  /** The blocks' self-attention is to the context, too. Default false. */
  readonly onlyCrossAttention?: boolean;
};

/**
 * A transformer over the pixels that attends to a context: x + proj_out(blocks(proj_in(GN(x)))).
 * State: `norm`, `proj_in`, `transformer_blocks.N`, `proj_out`, as LDM's SpatialTransformer.
 */
export class SpatialTransformer extends Module {
  readonly norm: GroupNorm;
  readonly projIn: Conv2d | Linear;
  readonly blocks: readonly TransformerBlock[];
  readonly projOut: Conv2d | Linear;

  constructor(readonly config: SpatialTransformerConfig) {
    super();
    const { channels, heads, groups, depth, contextDim, useLinearProjection = false, onlyCrossAttention } = config;
    const projection = (init?: typeof zeros) =>
      useLinearProjection
        ? new Linear({ inFeatures: channels, outFeatures: channels, init })
        : new Conv2d({ inChannels: channels, outChannels: channels, kernel: 1, init });
    this.norm = this.child('norm', new GroupNorm({ channels, groups, eps: 1e-6 })); // not the UNet's 1e-5
    this.projIn = this.child('proj_in', projection());
    this.blocks = Array.from({ length: depth }, (_, i) =>
      this.child(`transformer_blocks.${i}`, new TransformerBlock({ channels, heads, contextDim, onlyCrossAttention })),
    );
    this.projOut = this.child('proj_out', projection(zeros));
  }

  /**
   * @param x `[N, H, W, C]`. Borrowed. @param conditioning its context is needed.
   * @returns the same shape. Owned by the caller. @throws {ArgumentError} without a context.
   */
  forward(x: Tensor4D, { context }: Pick<Conditioning, 'context'>): Tensor4D {
    if (!context) throw new ArgumentError('SpatialTransformer', 'context', 'a tensor', context);
    const [n, h, w, c] = x.shape;
    return tf.tidy(() => {
      const project = (layer: Conv2d | Linear, image: Tensor4D) =>
        layer.forward(image as Tensor4D & Tensor) as Tensor4D;
      let tokens: Tensor3D = tf.reshape(project(this.projIn, this.norm.forward(x)), [n, h * w, c]); // [N, T, C]
      for (const block of this.blocks) tokens = block.forward(tokens, context);
      return add<Tensor4D>(x, project(this.projOut, tf.reshape(tokens, x.shape)));
    });
  }

  /** Multiply-accumulates for one sample of this size. */
  macs(height: number, width: number, options: MacOptions): number {
    const blocks = this.blocks.reduce((sum, block) => sum + block.macs(height * width, options), 0);
    const projection = height * width * this.projIn.weight.size;
    return projection + blocks + projection;
  }
}
