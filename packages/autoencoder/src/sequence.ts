import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type Step = (h: Tensor4D) => Tensor4D;

/**
 * Runs layers one after another and frees each intermediate result as soon as the next exists, so that encoding a large
 * image takes the memory of two layers, not of all.
 *
 * @param x borrowed. @returns the last result. Owned by the caller.
 */
export function sequence(x: Tensor4D, steps: Iterable<Step>): Tensor4D {
  return tf.tidy(() => {
    let h = tf.clone(x);
    for (const step of steps) {
      const next = step(h);
      h.dispose();
      h = next;
    }
    return h;
  });
}
