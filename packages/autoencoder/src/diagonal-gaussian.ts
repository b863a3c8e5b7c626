import { checkShape, normal, type RandomKey, ShapeError } from '@sd/core';
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

const MIN_LOGVAR = -30;
const MAX_LOGVAR = 20;

/**
 * A normal distribution with independent pixels: the posterior of `AutoencoderKL` (CompVis
 * DiagonalGaussianDistribution). It owns `mean` and `logvar`: dispose it, or make it inside a tidy.
 */
export class DiagonalGaussian {
  /** @param mean `[N, h, w, C]`. @param logvar the same shape, log of the variance. Both become the posterior's. */
  constructor(
    readonly mean: Tensor4D,
    readonly logvar: Tensor4D,
  ) {
    checkShape('DiagonalGaussian', 'logvar', logvar, mean.shape);
  }

  /**
   * @param moments `[N, h, w, 2C]`: the mean, then the log-variance, which is clamped to [-30, 20]. Borrowed.
   * @returns the distribution of `[N, h, w, C]`. Owned by the caller. @throws {ShapeError}
   */
  static fromMoments(moments: Tensor4D): DiagonalGaussian {
    const { shape } = moments;
    if (shape.length !== 4 || shape[3] % 2 !== 0 || shape[3] === 0) {
      throw new ShapeError('DiagonalGaussian.fromMoments', 'moments', '[N, h, w, even]', shape);
    }
    const [mean, logvar] = tf.tidy(() => {
      const [first, second] = tf.split(moments, 2, 3) as [Tensor4D, Tensor4D]; // [N, h, w, C] each
      return [first, tf.clipByValue(second, MIN_LOGVAR, MAX_LOGVAR)];
    });
    return new DiagonalGaussian(mean, logvar);
  }

  /** mean + exp(logvar / 2) noise, the noise from `key`. @returns `[N, h, w, C]`. Owned by the caller. */
  sample(key: RandomKey): Tensor4D {
    const { mean, logvar } = this;
    return tf.tidy(() => tf.add(mean, tf.mul(tf.exp(tf.mul(logvar, 0.5)), normal<tf.Rank.R4>(key, mean.shape))));
  }

  /** The mean. @returns `[N, h, w, C]`. Owned by the caller. */
  mode(): Tensor4D {
    return tf.clone(this.mean);
  }

  /**
   * Kullback-Leibler divergence from N(0, 1), in nats: 1/2 sum(mean^2 + exp(logvar) - 1 - logvar) over h, w and C.
   * @returns `[N]`, one per sample. Owned by the caller.
   */
  kl(): Tensor1D {
    const { mean, logvar } = this;
    return tf.tidy(() => {
      const terms = tf.sub(tf.sub(tf.add(tf.square(mean), tf.exp(logvar)), 1), logvar);
      return tf.mul(tf.sum(terms, [1, 2, 3]), 0.5) as Tensor1D;
    });
  }

  dispose(): void {
    tf.dispose([this.mean, this.logvar]);
  }
}
