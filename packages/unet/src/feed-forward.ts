import { gelu, Linear, Module } from '@sd/nn';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Hidden width of a transformer's feed-forward layer, in multiples of its channels. */
const EXPANSION = 4;

/**
 * GEGLU feed-forward: [a, b] = proj(x); y = W (a GELU(b)), the exact GELU.
 * State: `net.0.proj` `[8C, C]`, `net.2` `[C, 4C]`, as LDM's FeedForward.
 */
export class FeedForward extends Module {
  readonly proj: Linear;
  readonly out: Linear;

  constructor(readonly config: { readonly channels: number }) {
    super();
    const { channels } = config;
    const hidden = EXPANSION * channels;
    this.proj = this.child('net.0.proj', new Linear({ inFeatures: channels, outFeatures: 2 * hidden }));
    this.out = this.child('net.2', new Linear({ inFeatures: hidden, outFeatures: channels }));
  }

  /** @param x `[N, T, C]`. Borrowed. @returns the same shape. Owned by the caller. */
  forward(x: Tensor3D): Tensor3D {
    return tf.tidy(() => {
      const [value, gate] = tf.split(this.proj.forward(x), 2, 2); // [N, T, 4C] each
      return this.out.forward(tf.mul(value, gelu(gate)) as Tensor3D);
    });
  }

  /** Multiply-accumulates for this many tokens. */
  macs(tokens: number): number {
    return this.proj.macs(tokens) + this.out.macs(tokens);
  }
}
