import { ArgumentError } from '@sd/core';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Euclidean norm of all gradients together. @param gradients borrowed. @returns owned by the caller. */
export function globalNorm(gradients: Iterable<Tensor>): Scalar {
  return tf.tidy(() => {
    const squares = [...gradients].map((gradient) => tf.sum(tf.square(gradient)));
    // not addN: on WebGPU it binds all its inputs at once, and a device takes about ten
    return tf.sqrt(squares.length > 0 ? tf.sum(tf.stack(squares)) : tf.scalar(0)) as Scalar;
  });
}

/**
 * The factor that brings gradients of this global norm to at most `maxNorm`, as torch.nn.utils.clip_grad_norm_:
 * min(1, maxNorm / (norm + 1e-6)). Give it to `AdamW.update`
 * as `gradientScale`: the gradients are multiplied while they are read.
 *
 * @param norm scalar. Borrowed. @returns scalar. Owned by the caller. @throws {ArgumentError} unless maxNorm > 0.
 */
export function clipFactor(norm: Scalar, maxNorm: number): Scalar {
  checkMaxNorm('clipFactor', maxNorm);
  return tf.tidy(() => tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1) as Scalar);
}

/** @throws {ArgumentError} unless maxNorm > 0. */
export function checkMaxNorm(operation: string, maxNorm: number): void {
  if (!(maxNorm > 0)) throw new ArgumentError(operation, 'maxNorm', 'a number > 0', maxNorm);
}
