import { add, LayerNorm, Module } from '@sd/nn';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { MacOptions } from './conditioning';
import { CrossAttention } from './cross-attention';
import { FeedForward } from './feed-forward';

export type TransformerBlockConfig = {
  readonly channels: number;
  readonly heads: number;
  readonly contextDim: number;
  /** The first attention is to the context, too. Default false. */
  readonly onlyCrossAttention?: boolean;
};

/**
 * Self-attention, attention to the context, feed-forward, each after a LayerNorm and with a residual.
 * State: `attn1`, `ff`, `attn2`, `norm1`..`norm3`, as LDM's BasicTransformerBlock.
 */
export class TransformerBlock extends Module {
  readonly attn1: CrossAttention;
  readonly ff: FeedForward;
  readonly attn2: CrossAttention;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;

  constructor(readonly config: TransformerBlockConfig) {
    super();
    const { channels, heads, contextDim, onlyCrossAttention = false } = config;
    const attn1Channels = onlyCrossAttention ? contextDim : channels;
    this.attn1 = this.child('attn1', new CrossAttention({ channels, heads, contextChannels: attn1Channels }));
    this.ff = this.child('ff', new FeedForward({ channels }));
    this.attn2 = this.child('attn2', new CrossAttention({ channels, heads, contextChannels: contextDim }));
    this.norm1 = this.child('norm1', new LayerNorm({ features: channels }));
    this.norm2 = this.child('norm2', new LayerNorm({ features: channels }));
    this.norm3 = this.child('norm3', new LayerNorm({ features: channels }));
  }

  /** @param x `[N, T, C]`. @param context `[N, S, contextDim]`. Borrowed. @returns `[N, T, C]`. Owned by the caller. */
  forward(x: Tensor3D, context: Tensor3D): Tensor3D {
    return tf.tidy(() => {
      const own = this.norm1.forward(x);
      const attended = add<Tensor3D>(x, this.attn1.forward(own, this.config.onlyCrossAttention ? context : own));
      const informed = add<Tensor3D>(attended, this.attn2.forward(this.norm2.forward(attended), context));
      return add<Tensor3D>(informed, this.ff.forward(this.norm3.forward(informed)));
    });
  }

  /** Multiply-accumulates for one sample of this many tokens. */
  macs(tokens: number, { attention, contextLength }: MacOptions): number {
    const { attn1, attn2, ff } = this;
    const attn1Tokens = this.config.onlyCrossAttention ? contextLength : tokens;
    return attn1.macs(tokens, attn1Tokens, attention) + attn2.macs(tokens, contextLength, attention) + ff.macs(tokens);
  }
}
