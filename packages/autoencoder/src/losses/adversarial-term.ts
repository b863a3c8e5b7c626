import { ArgumentError, checkInteger } from '@sd/core';
import type { BatchNorm2dOptions, Conv2d } from '@sd/nn';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { stopGradient } from '../stop-gradient';
import { differentiate } from './differentiate';

/** When and how strongly a discriminator takes part. */
export type AdversarialSchedule = {
  /** The training's step, counted from 0. */
  readonly step: number;
  /** LDM's `disc_start`: before this step the discriminator has no part in any loss. 0 by default. */
  readonly start?: number;
  /** LDM's `disc_factor`, 1 by default. */
  readonly factor?: number;
};

export type AdversarialOptions = AdversarialSchedule & {
  /** Its logits for images; BatchNorm's statistics follow, as in torch's train mode. */
  readonly discriminator: { forward(x: Tensor4D, options?: BatchNorm2dOptions): Tensor4D };
  /** LDM's `disc_weight`, by which the adaptive weight is multiplied: 0.75 for vq-f4, 0.5 for KL. 1 by default. */
  readonly weight?: number;
};

const MAX_WEIGHT = 1e4;

type Decoded = {
  /** Input of the last layer. */
  readonly features: Tensor4D;
  readonly reconstruction: Tensor4D;
  readonly lastLayer: Conv2d;
  /** Gradient by the reconstruction of the negative log-likelihood, as LDM scales it. */
  readonly nllGradient: Tensor4D;
};

/**
 * taming-transformers' generator loss g = -mean(logits) and its weight, w = clamp(|dnll/dW| / (|dg/dW| + 1e-4), 0, 1e4)
 * times the given one, W being the filter of the decoder's last layer. The layer is linear: dL/dW is the filter gradient
 * of its input and dL/dy.
 *
 * @returns the weight, a constant; g; and their product, to be added to a loss of LDM's scale, 0 before the start. Owned
 * by the caller.
 */
export function adversarialTerm(
  { features, reconstruction, lastLayer, nllGradient }: Decoded,
  options: AdversarialOptions,
): { term: Scalar; g: Scalar; adaptiveWeight: Scalar } {
  const { discriminator, weight = 1 } = options;
  return tf.tidy(() => {
    const g = differentiate(
      (image) => tf.neg(tf.mean(discriminator.forward(image, { statistics: 'update' }))) as Scalar,
      reconstruction,
    );
    const filterNorm = (gradient: Tensor4D) => norm(filterGradient(features, lastLayer, gradient));
    const ratio = tf.div(filterNorm(nllGradient), tf.add(filterNorm(g.gradient), 1e-4));
    const adaptiveWeight = stopGradient(tf.mul(tf.clipByValue(ratio, 0, MAX_WEIGHT), weight) as Scalar);
    const term = tf.mul(g.attached, tf.mul(adaptiveWeight, factorAt(options))) as Scalar;
    return { term, g: g.value, adaptiveWeight };
  });
}

/** taming's adopt_weight. */
export function factorAt({ step, start = 0, factor = 1 }: AdversarialSchedule): number {
  return step < start ? 0 : factor;
}

/** @throws {ArgumentError} */
export function checkSchedule(operation: string, { step, start = 0, factor = 1 }: AdversarialSchedule): void {
  checkInteger(operation, 'step', step, 0);
  checkInteger(operation, 'start', start, 0);
  if (!Number.isFinite(factor) || factor < 0) throw new ArgumentError(operation, 'factor', 'a number >= 0', factor);
}

function filterGradient(features: Tensor4D, { weight, config }: Conv2d, gradient: Tensor4D): Tensor {
  const pad = (config.kernel - 1) / 2; // the decoder's last layer keeps the size
  return tf.grad((filter) => tf.conv2d(features, filter as Tensor4D, 1, pad))(weight.value as Tensor, gradient);
}

function norm(x: Tensor): Scalar {
  const squares: Scalar = tf.sum(tf.square(x));
  return tf.sqrt(squares);
}
