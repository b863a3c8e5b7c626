import type { TensorView } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import { InceptionV3, SqueezeNet } from '@sd/metrics';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { fileDigest } from '../files/file-digest';
import { packageFile } from '../files/package-root';
import { withWeights } from '../files/tensor-file';
import { UserError } from '../user-error';

/** Pixels of SqueezeNet's input. */
const SQUEEZENET_SIZE = 227;
const SQUEEZENET_SCALE = 16;

/** The networks whose features images are compared by. */
export type FeatureNetworkName = 'inception-v3' | 'squeezenet-1.0';

/** A feature network with its weights. */
export type FeatureExtractor = {
  readonly network: FeatureNetworkName;
  /** SHA-256 of the file of weights. */
  readonly sha256: string;
  /** @param images `[N, H, W, 3]` in [0, 1]. Borrowed. @returns `[N, D]`. Owned by the caller. */
  features(images: Tensor4D): Tensor2D;
  dispose(): void;
};

/**
 * Inception v3 where a file of its weights is given (pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`, or the same
 * tensors as safetensors), else SqueezeNet 1.0, whose weights are shipped.
 * @throws {UserError} when the file is missing, broken, or not of that network.
 */
export async function openFeatureExtractor(inception: string | undefined): Promise<FeatureExtractor> {
  const path = inception ?? packageFile('pretrained/squeezenet1_0.safetensors');
  const network = inception === undefined ? new SqueezeNet({ release: 'caffe' }) : new InceptionV3();
  const state = await withWeights(path, async (file) => {
    const tensors = new Map<string, TensorView>();
    for await (const [name, view] of file.tensors()) tensors.set(name, view);
    return tensors;
  });
  try {
    network.loadStateDict(state);
  } catch (error) {
    if (error instanceof SpectralDiffusionError) throw new UserError(`${path}: ${error.message}`);
    throw error;
  }
  return {
    network: inception === undefined ? 'squeezenet-1.0' : 'inception-v3',
    sha256: await fileDigest(path),
    features: (images) =>
      network instanceof InceptionV3 ? network.features(images) : squeezeNetFeatures(network, images),
    dispose: () => network.dispose(),
  };
}

/**
 * At the size that its weights were trained at, as Inception does it with its own: images of any size compare. The
 * activations, of about 10 on photographs, are divided by 16: KID's kernel (x . y / D + 1)^3 is meant for values near 1.
 */
function squeezeNetFeatures(network: SqueezeNet, images: Tensor4D): Tensor2D {
  return tf.tidy(() => {
    const resized = tf.image.resizeBilinear(images, [SQUEEZENET_SIZE, SQUEEZENET_SIZE], false, true);
    return tf.div<Tensor2D>(network.features(resized), SQUEEZENET_SCALE);
  });
}
