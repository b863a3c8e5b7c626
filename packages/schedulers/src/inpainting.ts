import { ArgumentError, checkAlive, ShapeError } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { linearCombination } from './linear-combination';
import type { NoiseLevel } from './noise-level';
import { checkSameShape } from './prediction';

/**
 * Inpainting: the known part of x is replaced, after every step, by the image with the noise of that step, and at the end
 * by the image itself. The noise of the known part is one draw for the whole run, draw number 0.
 */
export type Inpainting<X extends Tensor = Tensor4D> = {
  /** x_0 where it is known; of x's shape. Borrowed. */
  readonly image: X;
  /** 1 where the image is kept, 0 where it is made, or between the two; of x's shape, with 1 for any dimension. Borrowed. */
  readonly known: Tensor;
};

/** The known part of a run. */
export type KnownPart = {
  /** x with its known part at a level of noise, or in the image itself. Call it in a tidy. */
  readonly restore: (x: Tensor, level: NoiseLevel, atEnd: boolean) => Tensor;
  readonly dispose: () => void;
};

/** @throws {ShapeError} on shapes that do not fit x. @throws {ArgumentError} on disposed tensors. */
export function knownPart(
  operation: string,
  { image, known }: Inpainting<Tensor>,
  x: Tensor,
  draw: (n: number) => Tensor,
): KnownPart {
  checkKnown(operation, image, known, x);
  const noise = draw(0);
  const parts = tf.tidy(() => ({
    image: tf.mul(image, known),
    noise: tf.mul(noise, known),
    made: tf.sub(1, known),
  }));
  noise.dispose();
  return {
    restore(after, level, atEnd) {
      const { signal, noise: deviation } = atEnd ? { signal: 1, noise: 0 } : level;
      return linearCombination([1, tf.mul(after, parts.made)], [signal, parts.image], [deviation, parts.noise]);
    },
    dispose: () => tf.dispose(parts),
  };
}

/** @throws as `knownPart` does. */
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
