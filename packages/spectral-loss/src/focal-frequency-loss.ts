import { checkInteger, checkRange, checkShape, ShapeError } from '@sd/core';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages } from './check-images';
import { halfMultiplicity, halfSpectrum } from './half-spectrum';
import { checkNorm, type FftNorm } from './norm';
import { checkReduction, type Reduction } from './spectral-loss';
import { weightedPower } from './weighted-power';

export type FocalFrequencyLossOptions = {
  /** Exponent of the weight. Default 1; 0 gives the plain squared error of the spectra. */
  readonly alpha?: number;
  /** Flatten the weight by log(1 + w) before it is scaled. Default false. */
  readonly logMatrix?: boolean;
  /** Scale the weight by its largest value in the batch instead of in each plane. Default false. */
  readonly batchMatrix?: boolean;
  /** Compare the spectra's means over the batch. Default false. */
  readonly averageSpectrum?: boolean;
  /** Cut each image into patchFactor x patchFactor patches, each with its own spectrum. Default 1. */
  readonly patchFactor?: number;
  readonly norm?: FftNorm;
  readonly reduction?: Reduction;
};

/**
 * Focal frequency loss (Jiang et al., ICCV 2021, "Focal frequency loss for image reconstruction and synthesis"):
 *   L = mean of w |D|^2,   D = F(prediction) - F(target),   w = |D|^alpha / max over (u, v) of |D|^alpha,
 * w a constant to differentiation. It weights by the error's own spectrum, where SA-Distillation weights by the clean
 * image's. Options and defaults are the authors' (package focal-frequency-loss).
 *
 * @param prediction `[N, H, W, C]`. Borrowed. @param target `[N, H, W, C]`. Borrowed.
 * @returns a scalar. Owned by the caller.
 * @throws {ShapeError} on another rank, an empty dimension, different shapes, or H or W not divisible by patchFactor.
 * @throws {ArgumentError} on other options, or a disposed tensor.
 */
export function focalFrequencyLoss(
  prediction: Tensor4D,
  target: Tensor4D,
  {
    alpha = 1,
    logMatrix = false,
    batchMatrix = false,
    averageSpectrum = false,
    patchFactor = 1,
    norm = 'ortho',
    reduction = 'mean',
  }: FocalFrequencyLossOptions = {},
): Scalar {
  checkImages('focalFrequencyLoss', 'prediction', prediction);
  checkShape('focalFrequencyLoss', 'target', target, prediction.shape);
  checkRange('focalFrequencyLoss', 'alpha', alpha, 0, 10);
  checkInteger('focalFrequencyLoss', 'patchFactor', patchFactor);
  checkNorm('focalFrequencyLoss', norm);
  checkReduction('focalFrequencyLoss', reduction);
  const [, h, w] = prediction.shape;
  if (h % patchFactor !== 0 || w % patchFactor !== 0) {
    const expected = `[N, H, W, C] with H and W divisible by patchFactor ${patchFactor}`;
    throw new ShapeError('focalFrequencyLoss', 'prediction', expected, prediction.shape);
  }
  return tf.tidy(() => {
    let difference = tf.sub(prediction, target) as Tensor4D;
    // The DFT is linear: the difference of mean spectra is the spectrum of the mean difference.
    if (averageSpectrum) difference = tf.mean(difference, 0, true);
    const patches = cutPatches(difference, patchFactor); // [NPP, H/P, W/P, C]
    const sum = weightedPower(halfSpectrum(patches, norm), (re, im) => {
      const matrix = focalWeight(tf.add(tf.square(re), tf.square(im)), { alpha, logMatrix, batchMatrix });
      return tf.mul(matrix, halfMultiplicity(w / patchFactor)); // [NPP, C, M, H/P]
    });
    return reduction === 'mean' ? tf.div(sum, patches.size) : sum;
  });
}

/** A normal float32 number below every maximum that matters: 0 / 0 becomes 0. */
const SMALLEST = 1e-37;

/** `[N, C, M, H]` in [0, 1]; a plane without any error has weight 0. */
function focalWeight(
  power: Tensor4D,
  { alpha, logMatrix, batchMatrix }: Required<Pick<FocalFrequencyLossOptions, 'alpha' | 'logMatrix' | 'batchMatrix'>>,
): Tensor4D {
  const matrix = magnitudePower(power, alpha); // |D|^alpha
  const flattened = logMatrix ? tf.log1p(matrix) : matrix;
  const largest = batchMatrix ? tf.max(flattened) : tf.max(tf.max(flattened, 3, true), 2, true); // [N, C, 1, 1]
  return tf.div(flattened, tf.maximum(largest, SMALLEST)); // divNoNan is 500 times slower on WASM
}

/** |D|^alpha from |D|^2. A power costs ten times as much as a root on WASM, and alpha is 1 in most uses. */
function magnitudePower(power: Tensor4D, alpha: number): Tensor4D {
  if (alpha === 1) return tf.sqrt(power);
  return alpha === 2 ? power : tf.pow(power, alpha / 2);
}

/** `[N, H, W, C]` -> `[N P P, H/P, W/P, C]`. */
function cutPatches(x: Tensor4D, p: number): Tensor4D {
  if (p === 1) return x;
  const [n, h, w, c] = x.shape;
  const split = tf.reshape(x, [n * p, h / p, p, (w / p) * c]); // [NP, H/P, P, WC/P]
  return tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [n * p * p, h / p, w / p, c]);
}
