import { ArgumentError, checkShape } from '@sd/core';
import { Module } from '@sd/nn';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type FeatureOptions = {
  /** Index into `channels`: how deep. Default the last. */
  readonly depth?: number;
};

/** A network that gives feature maps of images at several depths. */
export type LayeredNetwork = {
  /** Channels of the feature maps, by depth. */
  readonly channels: readonly number[];
  /** @param images `[N, H, W, 3]` in [0, 1]. @returns maps `[N, H', W', C]`, by depth. Owned by the caller. */
  featureMaps(images: Tensor4D): Tensor4D[];
};

/**
 * Base of the feature networks. Images are in [0, 1], which is not checked here, since that needs a look at their values:
 * `fidStatistics` and `checkImageRange` do. What a trained network expects, the network does itself. Differentiable.
 */
export abstract class FeatureNetwork extends Module implements LayeredNetwork {
  /** Channels of the feature maps, by depth. */
  abstract readonly channels: readonly number[];

  /** Images in [0, 1] as the first layer expects them. */
  protected abstract prepare(images: Tensor4D): Tensor4D;

  /** From the map of one depth (the prepared images at first) to that of the next. */
  protected abstract stage(x: Tensor4D, depth: number): Tensor4D;

  /**
   * @param images `[N, H, W, 3]` in [0, 1]. Borrowed.
   * @returns the maps of all depths up to `depth`, `[N, H', W', channels[depth]]`. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} on another depth, and images that are too small.
   */
  featureMaps(images: Tensor4D, { depth = this.channels.length - 1 }: FeatureOptions = {}): Tensor4D[] {
    this.#check('featureMaps', images, depth);
    return tf.tidy(() => {
      const maps: Tensor4D[] = [];
      for (let k = 0; k <= depth; k++) {
        maps.push(tf.tidy(() => this.stage(k === 0 ? this.prepare(images) : maps[k - 1]!, k)));
      }
      return maps;
    });
  }

  /**
   * The mean of a feature map over height and width: what FID and its kin compare.
   * @param images `[N, H, W, 3]` in [0, 1]. Borrowed.
   * @returns `[N, channels[depth]]`. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} on another depth, and images that are too small.
   */
  features(images: Tensor4D, { depth = this.channels.length - 1 }: FeatureOptions = {}): Tensor2D {
    this.#check('features', images, depth);
    return tf.tidy(() => tf.mean<Tensor2D>(this.mapAt(images, depth), [1, 2]));
  }

  /** The map of one depth; those before it are freed as soon as they have served. */
  protected mapAt(images: Tensor4D, depth: number): Tensor4D {
    return tf.tidy(() => this.stage(depth === 0 ? this.prepare(images) : this.mapAt(images, depth - 1), depth));
  }

  #check(method: string, images: Tensor4D, depth: number): void {
    const operation = `${this.constructor.name}.${method}`;
    checkShape(operation, 'images', images, ['N', 'H', 'W', 3]);
    if (this.channels[depth] === undefined) {
      throw new ArgumentError(operation, 'depth', `an integer in [0, ${this.channels.length - 1}]`, depth);
    }
  }
}

/** Mean and deviation of ImageNet's colors in [0, 1], by which torchvision's networks expect images to be normalized. */
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** @param images `[N, H, W, 3]` in [0, 1]. Borrowed. @returns the same shape. Owned by the caller. */
export function normalizeColors(images: Tensor4D): Tensor4D {
  return tf.tidy(() => tf.div<Tensor4D>(tf.sub(images, tf.tensor1d(MEAN)), tf.tensor1d(DEVIATION)));
}
