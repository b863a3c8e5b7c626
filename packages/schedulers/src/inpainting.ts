import { ArgumentError, checkAlive, ShapeError } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { linearCombination } from './linear-combination';
import { checkSameShape } from './prediction';
import type { PlannedStep } from './sampler';

/**
 * Inpainting: the known part of x is replaced, after every step, by the image with the noise of that step, and at the end
 * by the image itself. The noise of the known part is one draw for the whole run, draw number 0 (RePaint: a draw for every
 * step).
 */
export type Inpainting<X extends Tensor = Tensor4D> = {
  /** x_0 where it is known; of x's shape. Borrowed. */
  readonly image: X;
  /** 1 where the image is kept, 0 where it is made, or between the two; of x's shape, with 1 for any dimension. Borrowed. */
  readonly known: Tensor;
};

/** The known part of a run. */
export type KnownPart = {
  /**
   * x after a step, with its known part at the level of noise of that step, or the image itself.
   * @param drawn the draw of the step. Call it in a tidy.
   */
  readonly restore: (x: Tensor, step: PlannedStep, drawn: Tensor | null, atEnd: boolean) => Tensor;
  readonly dispose: () => void;
};

/** @param noise of the whole run; null where every step draws. Borrowed. */
export function knownPart({ image, known }: Inpainting<Tensor>, noise: Tensor | null): KnownPart {
  const parts = tf.tidy(() => ({
    known: tf.clone(known),
    image: tf.mul(image, known),
    noise: noise === null ? tf.zerosLike(image) : tf.mul(noise, known),
    made: tf.sub(1, known),
  }));
  return {
    restore(after, { nextLevel, redrawsKnown = false }, drawn, atEnd) {
      const { signal, noise: deviation } = atEnd ? { signal: 1, noise: 0 } : nextLevel;
      const eps = redrawsKnown && drawn !== null ? tf.mul(drawn, parts.known) : parts.noise;
      return linearCombination([1, tf.mul(after, parts.made)], [signal, parts.image], [deviation, eps]);
    },
    dispose: () => tf.dispose(parts),
  };
}

/** @throws {ShapeError} on shapes that do not fit x. @throws {ArgumentError} on disposed tensors and none at all. */
export function checkKnown(operation: string, image: Tensor, known: Tensor, x: Tensor): void {
  if (image?.shape === undefined || known?.shape === undefined) {
    throw new ArgumentError(operation, 'inpaint', 'an image and where it is known', { image, known });
  }
  checkSameShape(operation, 'inpaint.image', image, x);
  checkAlive(operation, 'inpaint.known', known);
  const fits = known.rank === x.rank && known.shape.every((size, axis) => size === 1 || size === x.shape[axis]);
  if (!fits) {
    const expected = x.shape.map((size) => (size === 1 ? '1' : `${size} or 1`)).join(', ');
    throw new ShapeError(operation, 'inpaint.known', `[${expected}]`, known.shape);
  }
}
