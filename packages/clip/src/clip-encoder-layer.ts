import { gelu, LayerNorm, Linear, Module } from '@sd/nn';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { CausalSelfAttention } from './causal-self-attention';
import type { ClipTextConfig } from './config';
import { quickGelu } from './quick-gelu';

/**
 * x + attention(norm1(x)), then y + fc2(act(fc1(norm2(y)))). State: `self_attn`, `layer_norm1`, `mlp.fc1`, `mlp.fc2`,
 * `layer_norm2`, as transformers' CLIPEncoderLayer.
 */
export class ClipEncoderLayer extends Module {
  readonly attention: CausalSelfAttention;
  readonly norm1: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly norm2: LayerNorm;

  constructor(readonly config: ClipTextConfig) {
    super();
    const { hiddenSize: features, intermediateSize: hidden, numAttentionHeads: heads, layerNormEps: eps } = config;
    this.attention = this.child('self_attn', new CausalSelfAttention({ channels: features, heads }));
    this.norm1 = this.child('layer_norm1', new LayerNorm({ features, eps }));
    this.fc1 = this.child('mlp.fc1', new Linear({ inFeatures: features, outFeatures: hidden }));
    this.fc2 = this.child('mlp.fc2', new Linear({ inFeatures: hidden, outFeatures: features }));
    this.norm2 = this.child('layer_norm2', new LayerNorm({ features, eps }));
  }

  /** @param x `[N, T, C]`. @param mask `[T, T]`. Borrowed. @returns `[N, T, C]`. Owned by the caller. */
  forward(x: Tensor3D, mask: Tensor2D): Tensor3D {
    const activation = this.config.hiddenAct === 'gelu' ? gelu : quickGelu;
    return tf.tidy(() => {
      const attended = tf.add(x, this.attention.forward(this.norm1.forward(x), mask)) as Tensor3D;
      const hidden = activation(this.fc1.forward(this.norm2.forward(attended))); // [N, T, intermediate]
      return tf.add(attended, this.fc2.forward(hidden));
    });
  }

  /** Multiply-accumulates for one text of this many tokens. */
  macs(tokens: number, attention: boolean): number {
    return this.attention.macs(tokens, attention) + this.fc1.macs(tokens) + this.fc2.macs(tokens);
  }
}
