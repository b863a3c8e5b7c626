import type { StateDict } from '@sd/checkpoint';
import { checkShape, ShapeError } from '@sd/core';
import type { LayoutOptions } from '@sd/nn';
import { Module, ones, type Parameter } from '@sd/nn';
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { LayeredNetwork } from './networks/feature-network';

/** Below the length of a feature vector of zeros, (1e-10)^2: keeps the root's gradient finite there. */
const EPSILON = 1e-20;

/**
 * LPIPS (Zhang et al. 2018): the feature vectors of each place are scaled to length 1, their squared differences are
 * weighted by channel and summed, and the means over the places are summed over the depths.
 *
 * The weights, "heads", are learned ones where `loadStateDict` brings them: `lin0.model.1.weight`, ..., `[1, C, 1, 1]`,
 * as in the files of the `lpips` package. **Without them every channel has the weight 1** (`heads` says 'uniform'): that
 * is the package's baseline, `lpips=False`, whose values are several times larger and rank less like people do.
 *
 * Differentiable in both images: `distance` may be used as a training loss.
 */
export class PerceptualDistance extends Module {
  readonly #weights: readonly Parameter[];
  #heads: 'uniform' | 'loaded' = 'uniform';

  /** @param network `VGG16`, `SqueezeNet` of version 1.1, or any other. Borrowed: it is no part of this module's state. */
  constructor(readonly network: LayeredNetwork) {
    super();
    this.#weights = network.channels.map((channels, k) =>
      this.param(`lin${k}.model.1.weight`, [1, channels, 1, 1], ones),
    );
  }

  /** Where the weights of the channels are from. */
  get heads(): 'uniform' | 'loaded' {
    return this.#heads;
  }

  override loadStateDict(state: StateDict, options?: LayoutOptions): this {
    super.loadStateDict(state, options);
    this.#heads = 'loaded';
    return this;
  }

  /**
   * A property, so that it can be handed on as a function of two images.
   * @param x images in [0, 1], `[N, H, W, 3]`. Borrowed. @param y the same shape. Borrowed.
   * @returns `[N]`: one distance a pair, >= 0. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} on a disposed tensor, and images that are too small for the network.
   */
  readonly distance = (x: Tensor4D, y: Tensor4D): Tensor1D => {
    checkShape('PerceptualDistance.distance', 'x', x, ['N', 'H', 'W', 3]);
    if (x.size === 0) {
      throw new ShapeError('PerceptualDistance.distance', 'x', '[N, H, W, 3] without an empty dimension', x.shape);
    }
    checkShape('PerceptualDistance.distance', 'y', y, x.shape);
    return tf.tidy(() => {
      const [mapsX, mapsY] = [this.network.featureMaps(x), this.network.featureMaps(y)];
      const distances = this.#weights.map((weight, k) => {
        const difference = tf.sub(unit(mapsX[k]!), unit(mapsY[k]!)); // [N, H, W, C]
        const weights = tf.reshape(weight.value, [-1]); // [C]
        return tf.mean(tf.sum(tf.mul(tf.square(difference), weights), 3), [1, 2]); // [N]
      });
      return tf.addN(distances) as Tensor1D;
    });
  };
}

/** Vectors along the last axis, scaled to length 1; zero stays zero. */
function unit(x: Tensor4D): Tensor4D {
  return tf.mul(x, tf.rsqrt(tf.add(tf.sum(tf.square(x), 3, true), EPSILON)));
}
