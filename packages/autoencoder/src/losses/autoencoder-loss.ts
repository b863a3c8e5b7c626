import { foldIn, type RandomKey } from '@sd/core';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderKL } from '../autoencoder-kl';
import type { Autoencoder } from '../create-autoencoder';
import type { VQModel } from '../vq-model';
import { type ReconstructionLossOptions, reconstructionLoss } from './reconstruction-loss';

export type AutoencoderLossOptions = ReconstructionLossOptions & {
  /** A perceptual distance of two image batches, LPIPS for one: any shape, averaged. Must be differentiable. */
  readonly perceptual?: (x: Tensor4D, reconstruction: Tensor4D) => Tensor;
  readonly perceptualWeight?: number;
  /** Weight of the KL divergence against the *sum* over an image of its errors, as in LDM: 1e-6 there. */
  readonly klWeight?: number;
  readonly codebookWeight?: number;
  /** KL: log-variance of the reconstruction, a scalar that LDM learns beside the model. Borrowed. */
  readonly logvar?: Tensor;
  /** Draws the posterior's sample and the dropout. Without it the posterior's mean is decoded and nothing dropped. */
  readonly key?: RandomKey;
};

/** All scalars, owned by the caller. */
export type AutoencoderLoss = {
  /** What to minimize. */
  total: Scalar;
  /**
   * Its parts before they are weighted: `rec`; `perceptual` where one was given; `kl`, in nats per image, or `codebook`
   * and, for reading only, `perplexity`.
   */
  parts: { [name: string]: Scalar };
};

/**
 * The loss of a first stage, as LDM trains it, without its discriminator (docs/method.md, section 5):
 *   VQ: rec + w_p perceptual + w_c codebook
 *   KL: (rec + w_p perceptual) exp(-logvar) + logvar + w_k kl / D
 * D is the number of values in an image: LDM sums the errors of an image where we average, so this is its loss over D
 * and the weights mean the same.
 *
 * @param x `[N, H, W, inChannels]`, in [-1, 1]. Borrowed. @throws {ShapeError}
 */
export function autoencoderLoss(
  model: Autoencoder,
  x: Tensor4D,
  options: AutoencoderLossOptions = {},
): AutoencoderLoss {
  return tf.tidy(() => (model.kind === 'kl' ? klLoss(model, x, options) : vqLoss(model, x, options)));
}

function klLoss(model: AutoencoderKL, x: Tensor4D, options: AutoencoderLossOptions): AutoencoderLoss {
  const { klWeight = 1e-6, logvar, key } = options;
  const posterior = model.encode(x, dropoutOptions(key, 'encode'));
  const z = key ? posterior.sample(foldIn(key, 'posterior')) : posterior.mode();
  const { error, parts } = imageError(x, model.decode(z, dropoutOptions(key, 'decode')), options);
  const nll: Scalar = logvar ? tf.add(tf.mul(error, tf.exp(tf.neg(logvar))), logvar) : error;
  const kl: Scalar = tf.mean(posterior.kl());
  const valuesPerImage = x.size / x.shape[0];
  return { total: tf.add(nll, tf.mul(kl, klWeight / valuesPerImage)), parts: { ...parts, kl } };
}

function vqLoss(model: VQModel, x: Tensor4D, options: AutoencoderLossOptions): AutoencoderLoss {
  const { codebookWeight = 1, key } = options;
  const { quantized, loss: codebook, perplexity } = model.quantize(model.encode(x, dropoutOptions(key, 'encode')));
  const reconstruction = model.decodeQuantized(quantized, dropoutOptions(key, 'decode'));
  const { error, parts } = imageError(x, reconstruction, options);
  return { total: tf.add(error, tf.mul(codebook, codebookWeight)), parts: { ...parts, codebook, perplexity } };
}

function imageError(
  x: Tensor4D,
  reconstruction: Tensor4D,
  { norm = 'l1', perceptual, perceptualWeight = 1 }: AutoencoderLossOptions,
): { error: Scalar; parts: { [name: string]: Scalar } } {
  const rec = reconstructionLoss(x, reconstruction, { norm });
  if (!perceptual) return { error: rec, parts: { rec } };
  const distance: Scalar = tf.mean(perceptual(x, reconstruction));
  return { error: tf.add(rec, tf.mul(distance, perceptualWeight)), parts: { rec, perceptual: distance } };
}

function dropoutOptions(key: RandomKey | undefined, part: string) {
  return key ? { dropoutKey: foldIn(key, part) } : {};
}
