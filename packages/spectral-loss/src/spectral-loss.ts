import { ArgumentError, checkShape, ShapeError } from '@sd/core';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages } from './check-images';
import { checkNorm, type FftNorm } from './norm';
import { spectralPower } from './spectral-power';
import { type SpectralWeightOptions, spectralWeight } from './spectral-weight';

/** Mean over all elements of `[N, H, W, C]`, or their sum. */
export type Reduction = 'mean' | 'sum';

export type SpectralLossOptions = { readonly norm?: FftNorm; readonly reduction?: Reduction } & (
  | ({
      /** The clean images x0, `[N, H0, W0, C0]`, of which `spectralWeight` makes the weight. Borrowed. */
      readonly reference: Tensor4D;
      readonly weight?: undefined;
    } & SpectralWeightOptions)
  | {
      /** The weight itself, `[N, H, W, 1]`; N may be 1 and 1 may be C. In the order of `dft2d`. Borrowed. */
      readonly weight: Tensor4D;
      readonly reference?: undefined;
    }
);

/**
 * SA-Distillation's frequency loss (Yang et al. 2023), the weighted squared error of two spectra,
 *   L = mean over n, u, v, c of w[n, u, v] |F(prediction - target)[n, u, v, c]|^2,   w = |F(resize(x0))|^alpha.
 * The paper sums; `reduction: 'sum'` does. No gradient flows to the weight, hence none to x0.
 *
 * @param prediction `[N, H, W, C]`. Borrowed. @param target `[N, H, W, C]`. Borrowed.
 * @param options either `reference` with the options of `spectralWeight`, or a `weight`.
 * @returns a scalar. Owned by the caller.
 * @throws {ShapeError} on another rank, an empty dimension, or shapes that do not fit each other.
 * @throws {ArgumentError} where neither or both of reference and weight are given, on other options, or a disposed tensor.
 */
export function spectralLoss(prediction: Tensor4D, target: Tensor4D, options: SpectralLossOptions): Scalar {
  const { norm = 'ortho', reduction = 'mean' } = options;
  checkImages('spectralLoss', 'prediction', prediction);
  checkShape('spectralLoss', 'target', target, prediction.shape);
  checkNorm('spectralLoss', norm);
  checkReduction('spectralLoss', reduction);
  const given = [options.reference, options.weight].filter((tensor) => tensor !== undefined).length;
  if (given !== 1) {
    throw new ArgumentError('spectralLoss', 'options', 'exactly one of reference and weight', given);
  }
  if (options.weight) checkWeight(options.weight, prediction);
  else checkReference(options.reference, options.channels === 'none', prediction);

  const [n, h, w, c] = prediction.shape;
  return tf.tidy(() => {
    const weight = options.weight ?? spectralWeight(options.reference, { ...options, norm, size: [h, w] });
    const scale = reduction === 'mean' ? 1 / (n * h * w * c) : 1;
    return spectralPower(tf.sub(prediction, target), weight, { norm, scale });
  });
}

/** @throws {ArgumentError} on a name that is no reduction. */
export function checkReduction(operation: string, reduction: Reduction): void {
  if (reduction !== 'mean' && reduction !== 'sum') {
    throw new ArgumentError(operation, 'reduction', "'mean' or 'sum'", reduction);
  }
}

function checkWeight(weight: Tensor4D, { shape: [n, h, w, c] }: Tensor4D): void {
  checkImages('spectralLoss', 'weight', weight);
  const [wn, wh, ww, wc] = weight.shape;
  if (wh !== h || ww !== w || (wn !== n && wn !== 1) || (wc !== c && wc !== 1)) {
    throw new ShapeError('spectralLoss', 'weight', `[${n} or 1, ${h}, ${w}, ${c} or 1]`, weight.shape);
  }
}

function checkReference(reference: Tensor4D, weighsChannels: boolean, { shape: [n, , , c] }: Tensor4D): void {
  checkImages('spectralLoss', 'reference', reference);
  checkShape('spectralLoss', 'reference', reference, [
    n,
    'H',
    'W',
    weighsChannels && reference.shape[3] !== 1 ? c : 'C',
  ]);
}
