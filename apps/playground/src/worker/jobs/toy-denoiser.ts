import { Linear, Module, silu } from '@sd/nn';
import { timestepEmbedding } from '@sd/unet';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

const EMBEDDING = 32;

/** The paper's Example 1: a perceptron of two layers that predicts the noise in a signal. */
export class ToyDenoiser extends Module {
  readonly #hidden: Linear;
  readonly #out: Linear;

  /** @param points values of a signal. @param width M, of the hidden layer. */
  constructor(points: number, width: number) {
    super();
    this.#hidden = this.child('hidden', new Linear({ inFeatures: points + EMBEDDING, outFeatures: width }));
    this.#out = this.child('out', new Linear({ inFeatures: width, outFeatures: points }));
  }

  /** @param x `[N, points]`. Borrowed. @param t one for each of N, or for all. @returns `[N, points]`. Owned. */
  forward(x: Tensor2D, t: readonly number[]): Tensor2D {
    return tf.tidy(() => {
      const [n] = x.shape;
      const embedded = timestepEmbedding(t, EMBEDDING); // [N or 1, EMBEDDING]
      const times = t.length === n ? embedded : tf.tile(embedded, [n, 1]);
      return this.#out.forward(silu(this.#hidden.forward(tf.concat2d([x, times], 1)))) as Tensor2D;
    });
  }
}
