import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { readSquareImage } from '../data/image-file';
import { encodeMean } from '../data/latents';
import { type AnyFirstStage, firstStageFactor } from '../files/first-stage-file';
import { UserError } from '../user-error';
import type { Pipeline } from './pipeline';

/** An image to start from, or of which a part is kept. */
export type InitImage = {
  /** `[1, H, W, C]`, scaled as the model has latents. */
  readonly latents: Tensor4D;
  /** How much of it is lost, in [0, 1]: 0 nothing, 1 everything, which is to start from noise. */
  readonly strength: number;
  /** `[1, H, W, 1]`, 1 where the latents are kept and 0 where they are made. */
  readonly known?: Tensor4D;
};

/** Reads a picture as training images are read, and encodes it. @returns owned by the caller. @throws {UserError} */
export async function readInitLatents({ unet, autoencoder, scaleFactor }: Pipeline, path: string): Promise<Tensor4D> {
  const size = imageSizeOf(unet.config.imageSize, autoencoder);
  const pixels = await read('--init', path, size);
  return tf.tidy(() => {
    const image = tf.tensor4d(
      Float32Array.from(pixels, (byte) => byte / 127.5 - 1),
      [1, size, size, 3],
    );
    return tf.mul<Tensor4D>(encodeMean(autoencoder, image), scaleFactor);
  });
}

/**
 * Reads a mask, white where the image is made anew. A latent is kept where no pixel that it stands for is white.
 * @returns `[1, H, W, 1]`, 1 where latents are kept. Owned by the caller. @throws {UserError}
 */
export async function readKnownLatents({ unet, autoencoder }: Pipeline, path: string): Promise<Tensor4D> {
  const { imageSize } = unet.config;
  const factor = firstStageFactor(autoencoder);
  const size = imageSizeOf(imageSize, autoencoder);
  const pixels = await read('--mask', path, size);
  const known = new Float32Array(imageSize * imageSize).fill(1);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const pixel = 3 * (y * size + x);
      const brightness = (pixels[pixel] + pixels[pixel + 1] + pixels[pixel + 2]) / 3;
      if (brightness >= 128) known[Math.floor(y / factor) * imageSize + Math.floor(x / factor)] = 0;
    }
  }
  return tf.tensor4d(known, [1, imageSize, imageSize, 1]);
}

function imageSizeOf(latentSize: number, autoencoder: AnyFirstStage): number {
  return latentSize * firstStageFactor(autoencoder);
}

async function read(option: string, path: string, size: number): Promise<Uint8Array> {
  return readSquareImage(path, size).catch((error: Error) => {
    throw new UserError(`${option}: cannot read ${path}: ${error.message.split('\n')[0]}`);
  });
}
