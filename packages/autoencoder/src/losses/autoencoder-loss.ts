import { ArgumentError, checkShape, foldIn, type RandomKey } from '@sd/core';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderKL } from '../autoencoder-kl';
import type { Autoencoder } from '../create-autoencoder';
import type { VQModel } from '../vq-model';
import { type AdversarialOptions, adversarialTerm, checkSchedule } from './adversarial-term';
import { differentiate } from './differentiate';
import { type ReconstructionLossOptions, reconstructionLoss } from './reconstruction-loss';

/** A distance of two image batches, any shape, averaged, and its weight in the loss. Must be differentiable. */
export type WeightedDistance = {
  readonly distance: (x: Tensor4D, reconstruction: Tensor4D) => Tensor;
  readonly weight: number;
};

export type AutoencoderLossOptions = ReconstructionLossOptions & {
  /** A perceptual distance of two image batches, LPIPS for one: any shape, averaged. Must be differentiable. */
  readonly perceptual?: (x: Tensor4D, reconstruction: Tensor4D) => Tensor;
  readonly perceptualWeight?: number;
  /** More distances beside it, by the names that they have among the parts. */
  readonly distances?: Readonly<Record<string, WeightedDistance>>;
  /** Weight of the KL divergence against the *sum* over an image of its errors, as in LDM: 1e-6 there. */
  readonly klWeight?: number;
  readonly codebookWeight?: number;
  /** KL: log-variance of the reconstruction, a scalar that LDM learns beside the model. Borrowed. */
  readonly logvar?: Tensor;
  /** A discriminator's part, with its adaptive weight. Its own turn is `discriminatorLoss`. */
  readonly adversarial?: AdversarialOptions;
  /** Draws the posterior's sample and the dropout. Without it the posterior's mean is decoded and nothing dropped. */
  readonly key?: RandomKey;
};

/** All scalars, owned by the caller. */
export type AutoencoderLoss = {
  /** What to minimize. */
  total: Scalar;
  /**
   * Its parts before they are weighted: `rec`; `perceptual` and `distances` where they were given; `kl`, in nats per image, or `codebook`
   * and, for reading only, `perplexity`; with a discriminator `g`, -mean(logits), and its `adaptiveWeight`, as LDM logs it.
   */
  parts: { [name: string]: Scalar };
};

/** Names of its parts. */
const PARTS = ['rec', 'perceptual', 'kl', 'codebook', 'perplexity', 'g', 'adaptiveWeight'] as const;

/**
 * The loss of a first stage, as LDM trains it (docs/method.md, section 5):
 *   VQ: rec + w_p perceptual + w_c codebook + w_a g
 *   KL: (rec + w_p perceptual) exp(-logvar) + logvar + (w_k kl + w_a g) / D
 * D is the number of values in an image: LDM sums the errors of an image where we average, so this is its loss over D
 * and the weights mean the same. w_a is the adaptive weight, 0 before the discriminator's start.
 *
 * The errors of `distances` are added to rec, each with its weight.
 *
 * @param x `[N, H, W, inChannels]`, in [-1, 1]. Borrowed. @throws {ShapeError}
 * @throws {ArgumentError} on a distance with the name of another part.
 */
export function autoencoderLoss(
  model: Autoencoder,
  x: Tensor4D,
  options: AutoencoderLossOptions = {},
): AutoencoderLoss {
  const { adversarial, distances = {} } = options;
  const taken = PARTS.find((name) => Object.hasOwn(distances, name));
  if (taken) throw new ArgumentError('autoencoderLoss', 'distances', `named otherwise than ${PARTS.join(', ')}`, taken);
  if (adversarial) checkSchedule('autoencoderLoss', adversarial);
  return tf.tidy(() => (model.kind === 'kl' ? klLoss(model, x, options) : vqLoss(model, x, options)));
}

function klLoss(model: AutoencoderKL, x: Tensor4D, options: AutoencoderLossOptions): AutoencoderLoss {
  const { klWeight = 1e-6, logvar, key } = options;
  const posterior = model.encode(x, dropoutOptions(key, 'encode'));
  const z = key ? posterior.sample(foldIn(key, 'posterior')) : posterior.mode();
  const features = model.features(z, dropoutOptions(key, 'decode'));
  const valuesPerImage = x.size / x.shape[0];
  // LDM's likelihood is the sum over an image, and precision its factor exp(-logvar)
  const precision = logvar ? tf.exp(tf.neg(logvar)) : tf.scalar(1);
  const scale = tf.mul(precision, valuesPerImage);
  const { error, parts, adversarial } = imageLosses(model, x, features, scale, options);
  const nll = tf.add(tf.mul(error, precision), logvar ?? 0);
  const kl: Scalar = tf.mean(posterior.kl());
  const others = tf.mul(kl, klWeight);
  const total: Scalar = tf.add(nll, tf.div(adversarial ? tf.add(others, adversarial) : others, valuesPerImage));
  return { total, parts: { ...parts, kl } };
}

function vqLoss(model: VQModel, x: Tensor4D, options: AutoencoderLossOptions): AutoencoderLoss {
  const { codebookWeight = 1, key } = options;
  const { quantized, loss: codebook, perplexity } = model.quantize(model.encode(x, dropoutOptions(key, 'encode')));
  const features = model.features(quantized, dropoutOptions(key, 'decode'));
  const { error, parts, adversarial } = imageLosses(model, x, features, tf.scalar(1), options);
  const regularized = tf.add(error, tf.mul(codebook, codebookWeight)) as Scalar;
  const total: Scalar = adversarial ? tf.add(regularized, adversarial) : regularized;
  return { total, parts: { ...parts, codebook, perplexity } };
}

type ImageLosses = { error: Scalar; parts: { [name: string]: Scalar }; adversarial?: Scalar };

/**
 * The losses of the image that the last layer makes of `features`.
 * @param scale d nll / d error of LDM's likelihood, a scalar.
 */
function imageLosses(
  model: Autoencoder,
  x: Tensor4D,
  features: Tensor4D,
  scale: Tensor,
  { norm = 'l1', perceptual, perceptualWeight = 1, distances: others = {}, adversarial }: AutoencoderLossOptions,
): ImageLosses {
  const lastLayer = model.decoder.convOut;
  const reconstruction = lastLayer.forward(features);
  const terms: Record<string, WeightedDistance> = {
    rec: { distance: (a, b) => reconstructionLoss(a, b, { norm }), weight: 1 },
    ...(perceptual ? { perceptual: { distance: perceptual, weight: perceptualWeight } } : {}),
    ...others,
  };
  const distances = Object.entries(terms).map(
    ([name, { distance }]) => [name, (y: Tensor4D) => tf.mean<Scalar>(distance(x, y))] as const,
  );
  const weightedSum = (values: readonly (readonly [string, Tensor])[]): Tensor =>
    values.map(([name, term]) => tf.mul(term, terms[name]!.weight)).reduce((sum, term) => tf.add(sum, term));
  if (!adversarial) {
    const parts = distances.map(([name, f]) => [name, f(reconstruction)] as const);
    return { error: weightedSum(parts) as Scalar, parts: Object.fromEntries(parts) };
  }
  checkShape('autoencoderLoss', 'x', x, reconstruction.shape);
  const known = distances.map(([name, f]) => [name, differentiate(f, reconstruction)] as const);
  const errorGradient = weightedSum(known.map(([name, { gradient }]) => [name, gradient]));
  const nllGradient = tf.mul(errorGradient, scale) as Tensor4D;
  const decoded = { features, reconstruction, lastLayer, nllGradient };
  const { term, g, adaptiveWeight } = adversarialTerm(decoded, adversarial);
  return {
    error: weightedSum(known.map(([name, { attached }]) => [name, attached])) as Scalar,
    parts: { ...Object.fromEntries(known.map(([name, { value }]) => [name, value])), g, adaptiveWeight },
    adversarial: term,
  };
}

function dropoutOptions(key: RandomKey | undefined, part: string) {
  return key ? { dropoutKey: foldIn(key, part) } : {};
}
