import { normal, randomKey } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { decodeLatents } from '../../data/latents';
import type { AnyFirstStage } from '../../files/first-stage-file';
import { runOnnx } from './run-onnx';
import { channelsFirst, type OnnxCheck, relativeDifference } from './verify-unet';

/** As `verifyUNet`, for a first stage's decoder. @param size height and width of the latents. */
export async function verifyDecoder(
  file: Uint8Array,
  autoencoder: AnyFirstStage,
  scaleFactor: number,
  size: number,
): Promise<OnnxCheck | undefined> {
  const channels = autoencoder.kind === 'tiny' ? autoencoder.config.latentChannels : autoencoder.config.embedDim;
  const z = normal(randomKey(0), [1, size, size, channels]) as Tensor4D;
  try {
    const results = await runOnnx(file, { latent: await channelsFirst(z) });
    if (results === undefined) return undefined;
    const images = decodeLatents(autoencoder, z, scaleFactor);
    const own = await channelsFirst(images);
    images.dispose();
    const image = results.get('image')?.data ?? new Float32Array();
    return { relativeError: relativeDifference(image, own.data as Float32Array), outputs: [...results.keys()] };
  } finally {
    z.dispose();
  }
}
