import { decodeTiled, encodeTiled, type TiledOptions } from '@sd/autoencoder';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { FirstStageOutcome } from '../../protocol';
import { pictureTensor } from '../picture';
import { type FirstStage, fromSigned, toSigned } from '../pipeline';
import { sheetOf } from '../sheet';
import { spectrumOf } from '../spectrum';
import { signedPsnr } from './wavelets';

/**
 * A picture there and back, tile by tile: what of it the latent keeps.
 * @param size pixels of a side, a multiple of 64. @throws {UserError}
 */
export async function firstStage(
  stage: FirstStage,
  file: Blob | null,
  size: number,
  onStep: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<FirstStageOutcome> {
  const x = await pictureTensor(file, size);
  let z: Tensor4D | undefined;
  let y: Tensor4D | undefined;
  try {
    [z, y] = await thereAndBack(stage.network, x, onStep, signal);
    const difference = tf.tidy(() => tf.clipByValue(tf.mul(tf.sub(y as Tensor4D, x), 4), -1, 1) as Tensor4D);
    const latent = channelsOf(z);
    try {
      return {
        original: await sheetOf(x),
        decoded: await sheetOf(y),
        difference: await sheetOf(difference),
        latent: await sheetOf(latent),
        latentShape: [z.shape[1], z.shape[2], z.shape[3]],
        pixels: size,
        psnr: await signedPsnr(x, y),
        spectra: { original: await spectrumOf(x), decoded: await spectrumOf(y) },
        parameters: stage.network.parameterCount,
      };
    } finally {
      tf.dispose([difference, latent]);
    }
  } finally {
    tf.dispose([x, z, y].filter((tensor) => tensor !== undefined));
  }
}

const TILE = 128;

/** @returns latent and decoded image, owned by the caller. */
async function thereAndBack(
  network: FirstStage['network'],
  x: Tensor4D,
  onStep: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<[Tensor4D, Tensor4D]> {
  const tiles = (half: 0 | 1): TiledOptions => ({
    tileSize: TILE,
    signal,
    onTile: (done, total) => onStep(half * total + done, 2 * total),
  });
  const input = tf.tidy(() => fromSigned(network, x));
  let z: Tensor4D;
  try {
    z = await encodedInTiles(network, input, tiles(0));
  } finally {
    input.dispose();
  }
  try {
    const decoded = await decodeTiled(network, z, tiles(1));
    const y = tf.tidy(() => tf.clipByValue(toSigned(network, decoded), -1, 1) as Tensor4D);
    decoded.dispose();
    return [z, y];
  } catch (error) {
    z.dispose();
    throw error;
  }
}

/** The latent, of a KL first stage the mean. @returns owned by the caller. */
async function encodedInTiles(network: FirstStage['network'], x: Tensor4D, options: TiledOptions): Promise<Tensor4D> {
  if (network.kind !== 'kl') return encodeTiled(network, x, options);
  const posterior = await encodeTiled(network, x, options);
  const mean = posterior.mode();
  posterior.dispose();
  return mean;
}

/** The channels of a latent as pictures in grey, each over its own range. @returns `[C, h, w, 1]` in [-1, 1]. */
function channelsOf(z: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    const planes = tf.transpose(z, [3, 1, 2, 0]); // [C, h, w, 1]
    const [low, high] = [tf.min(planes, [1, 2, 3], true), tf.max(planes, [1, 2, 3], true)];
    return tf.sub(tf.mul(tf.div(tf.sub(planes, low), tf.add(tf.sub(high, low), 1e-6)), 2), 1) as Tensor4D;
  });
}
