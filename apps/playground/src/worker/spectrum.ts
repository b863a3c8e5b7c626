import { radialSpectrum } from '@sd/spectral-loss';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Spectrum } from '../protocol';

/** Mean power of images in [-1, 1] by radius, without the zero frequency's bin. @param images borrowed. */
export async function spectrumOf(images: Tensor4D): Promise<Spectrum> {
  const { frequency, power } = await radialSpectrum(images);
  return { frequency: Array.from(frequency.subarray(1)), power: Array.from(power.subarray(1)) };
}
