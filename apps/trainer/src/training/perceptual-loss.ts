import type { WeightedDistance } from '@sd/autoencoder';
import { SpectralDiffusionError } from '@sd/core';
import { PerceptualDistance, SqueezeNet, VGG16 } from '@sd/metrics';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { PerceptualConfig } from '../config/schema';
import { fileDigest } from '../files/file-digest';
import { load } from '../files/first-stage-file';
import { UserError } from '../user-error';

/** LPIPS with its weights, as a first stage's training takes it. Its network is not trained. */
export type PerceptualLoss = WeightedDistance & {
  /** What it is, so that a run is not continued with another. */
  readonly identity: Readonly<Record<string, unknown>>;
  dispose(): void;
};

/**
 * Opens LPIPS of a configuration, for images in [-1, 1].
 * @param size height and width of the images. @throws {UserError} on weights that are missing, broken or of another network,
 * and images that are too small for it.
 */
export async function openPerceptualLoss(
  { network: name, weights, heads, weight }: PerceptualConfig,
  size: number,
): Promise<PerceptualLoss> {
  const network = name === 'vgg16' ? new VGG16() : new SqueezeNet({ version: '1.1' });
  const lpips = new PerceptualDistance(network);
  const dispose = () => {
    lpips.dispose();
    network.dispose();
  };
  const distance = (x: Tensor4D, y: Tensor4D) =>
    tf.tidy(() => {
      const unit = (images: Tensor4D) => tf.div<Tensor4D>(tf.add(images, 1), 2);
      return lpips.distance(unit(x), unit(y));
    });
  try {
    await load(weights, network);
    if (heads !== undefined) await load(heads, lpips);
    const digests = {
      weights: await fileDigest(weights),
      ...(heads === undefined ? {} : { heads: await fileDigest(heads) }),
    };
    tryOn(distance, name, size);
    return { distance, weight, identity: { network: name, ...digests }, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** @throws {UserError} where the network has no place for images of this size. */
function tryOn(distance: WeightedDistance['distance'], name: string, size: number): void {
  try {
    tf.tidy(() => {
      const image = tf.zeros([1, size, size, 3]) as Tensor4D;
      distance(image, image);
    });
  } catch (error) {
    if (!(error instanceof SpectralDiffusionError)) throw error;
    throw new UserError(
      `config: firstStage.perceptual: images of ${size} px are too small for ${name}: ${error.message}`,
    );
  }
}
