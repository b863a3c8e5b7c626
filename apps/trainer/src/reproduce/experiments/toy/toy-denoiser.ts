import { Linear, Module, silu } from '@sd/nn';
import { timestepEmbedding } from '@sd/unet';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Width of the embedded timestep, which the signal is joined by. */
const TIME_WIDTH = 64;

/** A two-layer MLP that predicts the noise of 1-D signals: [x_t, embedded t] -> Linear -> SiLU -> Linear. */
export class ToyDenoiser extends Module {
  readonly input: Linear;
  readonly output: Linear;

  constructor(length: number, hidden: number) {
    super();
    this.input = this.child('0', new Linear({ inFeatures: length + TIME_WIDTH, outFeatures: hidden }));
    this.output = this.child('2', new Linear({ inFeatures: hidden, outFeatures: length }));
  }

  /** @param x `[N, length]`. Borrowed. @param t `[N]`. Borrowed. @returns `[N, length]`. Owned by the caller. */
  forward(x: Tensor2D, t: readonly number[] | Tensor1D): Tensor2D {
    return tf.tidy(() => {
      const joined = tf.concat([x, timestepEmbedding(t, TIME_WIDTH)], 1); // [N, length + TIME_WIDTH]
      return this.output.forward(silu(this.input.forward(joined)));
    });
  }
}
