import { ArgumentError } from '@sd/core';
import type { FftNorm } from '@sd/spectral-loss';
import { spectralLoss } from '@sd/spectral-loss';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * How squared errors are summed up: the mean over all elements, their sum, or the squared norm of each sample averaged
 * over the batch, which is the paper's E || . ||^2.
 */
export type DistillationReduction = 'mean' | 'sum' | 'batch-mean';

const REDUCTIONS: readonly string[] = ['mean', 'sum', 'batch-mean'] satisfies readonly DistillationReduction[];

/** @throws {ArgumentError} on a name that is no reduction. */
export function checkReduction(operation: string, reduction: DistillationReduction): void {
  if (!REDUCTIONS.includes(reduction)) {
    throw new ArgumentError(operation, 'reduction', `one of ${REDUCTIONS.join(', ')}`, reduction);
  }
}

/**
 * The squared difference of two `[N, H, W, C]`, reduced. Both borrowed.
 * @param weight `[N, 1, 1, 1]`, of each sample's errors. Borrowed.
 * @returns a scalar owned by the caller.
 */
export function squaredError(
  prediction: Tensor4D,
  target: Tensor4D,
  reduction: DistillationReduction,
  weight?: Tensor4D,
): Scalar {
  return tf.tidy(() => {
    const squares = tf.square(tf.sub(prediction, target));
    // By rows first: tfjs's own WASM kernel adds one by one, which at a million elements is 4e-4 off.
    const rows = tf.mean(squares, [2, 3], true); // [N, H, 1, 1]
    const mean = tf.mean(tf.mul(tf.mean(rows, 1, true), weight ?? 1)) as Scalar;
    if (reduction === 'mean') return mean;
    return tf.mul(mean, reduction === 'sum' ? prediction.size : prediction.size / prediction.shape[0]);
  });
}

/** `squaredError` of the spectra, weighted by frequency: see `spectralLoss`. */
export function squaredSpectralError(
  prediction: Tensor4D,
  target: Tensor4D,
  reduction: DistillationReduction,
  { weight, norm }: { readonly weight: Tensor4D; readonly norm?: FftNorm | undefined },
): Scalar {
  return tf.tidy(() => {
    const options = norm ? { weight, norm } : { weight };
    if (reduction === 'mean') return spectralLoss(prediction, target, options);
    const sum = spectralLoss(prediction, target, { ...options, reduction: 'sum' });
    return reduction === 'sum' ? sum : tf.div(sum, prediction.shape[0]);
  });
}
