import { ArgumentError, checkRange, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages } from './check-images';
import { dft2d } from './dft2d';
import { luma } from './luma';
import { checkNorm, type FftNorm } from './norm';
import type { ResizeMethod } from './resize-matrix';
import { resize2d } from './resize2d';
import { withoutGradient } from './without-gradient';

/**
 * What becomes of the channels of x0: the mean of their magnitudes, the root of the mean of their powers, the magnitude
 * of their luma, or a weight for each channel.
 */
export type ChannelReduction = 'mean' | 'rms' | 'luma' | 'none';

const REDUCTIONS: readonly string[] = ['mean', 'rms', 'luma', 'none'] satisfies readonly ChannelReduction[];

export type SpectralWeightOptions = {
  /** The exponent. Default -1: errors count where the clean image has little power, at high frequencies. */
  readonly alpha?: number;
  /** Added to the magnitude, which may be 0. Default 1e-8. */
  readonly epsilon?: number;
  /** Scale the weight to mean 1 over the frequencies of each sample, so that a loss keeps its size. Default true. */
  readonly normalize?: boolean;
  readonly norm?: FftNorm;
  readonly channels?: ChannelReduction;
  /** How x0 is resized. Default 'bilinear'. */
  readonly resize?: ResizeMethod;
};

/**
 * The weight of SA-Distillation's frequency loss, w = |F(resize(x0))|^alpha (Yang et al. 2023; paper section
 * "Spectrum-aware distillation"), a constant to differentiation. The paper leaves open: the norm of F, the channels,
 * epsilon and the scale; their defaults here are choices of this package.
 *
 * @param x0 the clean images `[N, H0, W0, C]`. Borrowed.
 * @param options.size `[H, W]` of the features that the weight is for. Default: that of x0.
 * @returns `[N, H, W, 1]`, in the order of `dft2d`, zero frequency first (`[N, H, W, C]` for channels 'none'). Owned.
 * @throws {ShapeError} on another rank, an empty dimension, or 'luma' of neither 1 nor 3 channels.
 * @throws {ArgumentError} on other options, or a disposed tensor.
 */
export function spectralWeight(
  x0: Tensor4D,
  {
    size = [x0.shape[1], x0.shape[2]],
    alpha = -1,
    epsilon = 1e-8,
    normalize = true,
    norm = 'ortho',
    channels = 'mean',
    resize = 'bilinear',
  }: SpectralWeightOptions & { readonly size?: readonly [number, number] } = {},
): Tensor4D {
  checkImages('spectralWeight', 'x0', x0);
  checkRange('spectralWeight', 'alpha', alpha, -10, 10);
  checkRange('spectralWeight', 'epsilon', epsilon, 0, Number.POSITIVE_INFINITY);
  checkNorm('spectralWeight', norm);
  if (!REDUCTIONS.includes(channels)) {
    throw new ArgumentError('spectralWeight', 'channels', `one of ${REDUCTIONS.join(', ')}`, channels);
  }
  if (channels === 'luma' && x0.shape[3] !== 1 && x0.shape[3] !== 3) {
    throw new ShapeError('spectralWeight', 'x0', "[N, H, W, 3] or [N, H, W, 1] for channels 'luma'", x0.shape);
  }
  return withoutGradient(x0, (image) => {
    const resized = resize2d(image, { size, method: resize }); // [N, H, W, C]
    const { re, im } = dft2d(channels === 'luma' ? luma(resized) : resized, { norm });
    const power = tf.add(tf.square(re), tf.square(im)) as Tensor4D;
    const weight = tf.pow(tf.add(magnitude(power, channels), epsilon), alpha) as Tensor4D; // [N, H, W, 1 or C]
    // The mean is taken of the rows' means: a sum of more than a few thousand terms loses digits in float32.
    return normalize ? tf.div(weight, tf.mean(tf.mean(weight, 2, true), 1, true)) : weight;
  });
}

function magnitude(power: Tensor4D, channels: ChannelReduction): Tensor4D {
  if (channels === 'rms') return tf.sqrt(tf.mean<Tensor4D>(power, 3, true));
  const each = tf.sqrt(power);
  return channels === 'mean' ? tf.mean<Tensor4D>(each, 3, true) : each;
}
