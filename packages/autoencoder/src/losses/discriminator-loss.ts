import { ArgumentError, checkShape } from '@sd/core';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type AdversarialOptions, type AdversarialSchedule, checkSchedule, factorAt } from './adversarial-term';

export type DiscriminatorLossOptions = AdversarialSchedule & {
  /** `hinge`, LDM's choice: mean(max(0, 1 -+ logits)). `vanilla`: mean(softplus(-+ logits)). */
  readonly loss?: 'hinge' | 'vanilla';
};

/** All scalars, owned by the caller. */
export type DiscriminatorLoss = { total: Scalar; parts: { logitsReal: Scalar; logitsFake: Scalar } };

/**
 * The discriminator's turn in taming-transformers: half the sum of its losses on real and on reconstructed images. Both
 * move BatchNorm's statistics, the real ones first.
 *
 * @param x `[N, H, W, C]`. @param reconstruction the same shape; to be a constant, compute it before the differentiation.
 * Both borrowed. @throws {ShapeError} @throws {ArgumentError}
 */
export function discriminatorLoss(
  discriminator: AdversarialOptions['discriminator'],
  x: Tensor4D,
  reconstruction: Tensor4D,
  options: DiscriminatorLossOptions,
): DiscriminatorLoss {
  const { loss = 'hinge' } = options;
  checkShape('discriminatorLoss', 'x', x, ['N', 'H', 'W', 'C']);
  checkShape('discriminatorLoss', 'reconstruction', reconstruction, x.shape);
  checkSchedule('discriminatorLoss', options);
  if (loss !== 'hinge' && loss !== 'vanilla') {
    throw new ArgumentError('discriminatorLoss', 'loss', "'hinge' or 'vanilla'", loss);
  }
  return tf.tidy(() => {
    const real = discriminator.forward(x, { statistics: 'update' });
    const fake = discriminator.forward(reconstruction, { statistics: 'update' });
    const one = (margin: tf.Tensor): Scalar =>
      tf.mean(loss === 'hinge' ? tf.relu(tf.add(margin, 1)) : tf.softplus(margin));
    const both = tf.add(one(tf.neg(real)), one(fake));
    return {
      total: tf.mul(both, 0.5 * factorAt(options)),
      parts: { logitsReal: tf.mean<Scalar>(real), logitsFake: tf.mean<Scalar>(fake) },
    };
  });
}
