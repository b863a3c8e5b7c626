import { Linear, Module } from '@sd/nn';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { crossAttend, joinHeads } from './multi-head-attention';

export type CrossAttentionConfig = {
  readonly channels: number;
  /** Divides the channels. */
  readonly heads: number;
  /** Width of the tokens that are attended to. */
  readonly contextChannels: number;
};

/** Attention of tokens to a context. State: `to_q`, `to_k`, `to_v` without bias, `to_out.0`, as LDM's CrossAttention. */
export class CrossAttention extends Module {
  readonly toQ: Linear;
  readonly toK: Linear;
  readonly toV: Linear;
  readonly toOut: Linear;

  constructor(readonly config: CrossAttentionConfig) {
    super();
    const { channels, contextChannels } = config;
    const linear = { outFeatures: channels, bias: false };
    this.toQ = this.child('to_q', new Linear({ ...linear, inFeatures: channels }));
    this.toK = this.child('to_k', new Linear({ ...linear, inFeatures: contextChannels }));
    this.toV = this.child('to_v', new Linear({ ...linear, inFeatures: contextChannels }));
    this.toOut = this.child('to_out.0', new Linear({ inFeatures: channels, outFeatures: channels }));
  }

  /**
   * @param x `[N, T, channels]`. @param context `[N, S, contextChannels]`, x itself for self-attention. Borrowed.
   * @returns `[N, T, channels]`. Owned by the caller.
   */
  forward(x: Tensor3D, context: Tensor3D): Tensor3D {
    const { channels, heads, contextChannels } = this.config;
    return tf.tidy(() => {
      const rows = tf.reshape(x, [-1, channels]) as Tensor2D; // [N T, C]
      const contextRows = tf.reshape(context, [-1, contextChannels]) as Tensor2D; // [N S, contextChannels]
      const weightOf = ({ weight }: Linear) => weight.value as Tensor as Tensor2D;
      const attended = crossAttend(
        { rows, weight: weightOf(this.toQ) },
        { rows: contextRows, weight: weightOf(this.toK) },
        { rows: contextRows, weight: weightOf(this.toV) },
        { heads, batch: x.shape[0] },
      );
      const y = joinHeads(attended, weightOf(this.toOut), this.toOut.bias?.value as Tensor as Tensor1D);
      return tf.reshape(y, x.shape);
    });
  }

  /** Multiply-accumulates for this many tokens, and tokens of the context. */
  macs(tokens: number, contextTokens: number, attention: boolean): number {
    const products = attention ? 2 * tokens * contextTokens * this.config.channels : 0;
    return (
      this.toQ.macs(tokens) +
      this.toK.macs(contextTokens) +
      this.toV.macs(contextTokens) +
      this.toOut.macs(tokens) +
      products
    );
  }
}
