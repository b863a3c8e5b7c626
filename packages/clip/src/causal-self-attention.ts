import { Linear, Module } from '@sd/nn';
import type { Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type CausalSelfAttentionConfig = {
  readonly channels: number;
  /** Divides the channels. */
  readonly heads: number;
};

/** Far below any logit: the exponential of what it is added to is 0. */
const MASKED = -1e9;

/**
 * Self-attention in which a token sees itself and those before it:
 * softmax(q k^T / sqrt(D) + mask) v. State: `k_proj`, `v_proj`, `q_proj`, `out_proj`, as transformers' CLIPAttention.
 */
export class CausalSelfAttention extends Module {
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly qProj: Linear;
  readonly outProj: Linear;

  constructor(readonly config: CausalSelfAttentionConfig) {
    super();
    const square = { inFeatures: config.channels, outFeatures: config.channels };
    this.kProj = this.child('k_proj', new Linear(square));
    this.vProj = this.child('v_proj', new Linear(square));
    this.qProj = this.child('q_proj', new Linear(square));
    this.outProj = this.child('out_proj', new Linear(square));
  }

  /**
   * @param x `[N, T, channels]`. @param mask `[T, T]`, of `causalMask`. Borrowed.
   * @returns `[N, T, channels]`. Owned by the caller.
   */
  forward(x: Tensor3D, mask: Tensor2D): Tensor3D {
    const { channels, heads } = this.config;
    const [n, tokens] = x.shape;
    const depth = channels / heads;
    return tf.tidy(() => {
      const perHead = (y: Tensor3D): Tensor4D =>
        tf.transpose(tf.reshape(y, [n, tokens, heads, depth]) as Tensor4D, [0, 2, 1, 3]); // [N, heads, T, D]
      const q = perHead(tf.mul(this.qProj.forward(x), depth ** -0.5));
      const [k, v] = [perHead(this.kProj.forward(x)), perHead(this.vProj.forward(x))];
      const logits = tf.add(tf.matMul(q, k, false, true), mask); // [N, heads, T, T]
      const y = tf.matMul(tf.softmax(logits), v) as Tensor4D; // [N, heads, T, D]
      return this.outProj.forward(tf.reshape(tf.transpose(y, [0, 2, 1, 3]), x.shape)); // [N, T, C]
    });
  }

  /** Multiply-accumulates for one text of this many tokens. */
  macs(tokens: number, attention: boolean): number {
    const products = attention ? 2 * tokens * tokens * this.config.channels : 0;
    return 4 * this.qProj.macs(tokens) + products;
  }
}

/** What is added to the logits `[T, T]` of attention: 0 up to the diagonal, far below 0 after it. Owned by the caller. */
export function causalMask(tokens: number): Tensor2D {
  const values = Float32Array.from({ length: tokens * tokens }, (_, i) =>
    i % tokens > Math.floor(i / tokens) ? MASKED : 0,
  );
  return tf.tensor2d(values, [tokens, tokens]);
}
