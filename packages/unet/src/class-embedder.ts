import { Embedding, Module, ownLayout, type StateDictLayout } from '@sd/nn';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type ClassEmbedderConfig = {
  /** Labels, the last of which may mean none. Default 1001, LDM's for ImageNet (cin256-v2). */
  readonly classes?: number;
  /** Width of the context. Default 512. */
  readonly features?: number;
};

/**
 * Labels as a context of one token: LDM's ClassEmbedder, `cond_stage_model`, for models with cross-attention.
 * State: `embedding.weight` `[classes, features]`.
 */
export class ClassEmbedder extends Module {
  readonly embedding: Embedding;

  /** @throws {ArgumentError} */
  constructor({ classes = 1001, features = 512 }: ClassEmbedderConfig = {}) {
    super();
    this.embedding = this.child('embedding', new Embedding({ count: classes, features }));
  }

  /** The label that means none, for guidance: the last, 1000 for ImageNet. */
  get none(): number {
    return this.embedding.config.count - 1;
  }

  /**
   * @param labels integers in [0, classes).
   * @returns `[labels, 1, features]`. Owned by the caller. @throws {ArgumentError} on a label out of range.
   */
  forward(labels: readonly number[]): Tensor3D {
    return tf.tidy(() => tf.expandDims(this.embedding.forward(labels), 1)); // [N, 1, features]
  }

  override stateDictLayouts(): readonly StateDictLayout[] {
    return [ownLayout('CompVis latent-diffusion', this, [{ prefix: '' }, { prefix: 'cond_stage_model.' }])];
  }
}
