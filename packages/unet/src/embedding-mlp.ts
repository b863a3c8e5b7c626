import { Linear, Module, silu } from '@sd/nn';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type EmbeddingMlpConfig = {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Width of a second input that is projected and added to the first. */
  readonly conditionFeatures?: number;
};

/**
 * y = W2 SiLU(W1 (x + P c)), P c only with a second input. State: `0`, `2`, and `cond_proj` without bias, as LDM's
 * time_embed and diffusers' TimestepEmbedding.
 */
export class EmbeddingMlp extends Module {
  readonly first: Linear;
  readonly second: Linear;
  readonly condition: Linear | undefined;

  constructor(readonly config: EmbeddingMlpConfig) {
    super();
    const { inFeatures, outFeatures, conditionFeatures } = config;
    this.first = this.child('0', new Linear({ inFeatures, outFeatures }));
    this.second = this.child('2', new Linear({ inFeatures: outFeatures, outFeatures }));
    if (conditionFeatures !== undefined) {
      const condition = new Linear({ inFeatures: conditionFeatures, outFeatures: inFeatures, bias: false });
      this.condition = this.child('cond_proj', condition);
    }
  }

  /**
   * @param x `[N, inFeatures]`. @param condition `[N, conditionFeatures]`, left out for none. Borrowed.
   * @returns `[N, outFeatures]`, N the larger of both. Owned by the caller.
   */
  forward(x: Tensor2D, condition?: Tensor2D): Tensor2D {
    return tf.tidy(() => {
      const sum = this.condition && condition ? tf.add<Tensor2D>(x, this.condition.forward(condition)) : x;
      return this.second.forward(silu(this.first.forward(sum)));
    });
  }

  /** Multiply-accumulates for one sample. */
  macs(): number {
    return this.first.macs() + this.second.macs() + (this.condition?.macs() ?? 0);
  }
}
