import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { AutoencoderKL } from '../autoencoder-kl';
import { downsampleFactor } from '../config';
import { DiagonalGaussian } from '../diagonal-gaussian';
import { checkImage } from '../encoder';
import type { AutoencoderTiny } from '../tiny/autoencoder-tiny';
import { tinyDownsampleFactor } from '../tiny/config';
import { checkTinyImage } from '../tiny/tiny-encoder';
import type { VQModel } from '../vq-model';
import { mapTiles, type TiledOptions } from './map-tiles';

/**
 * `encode` of a large image by overlapping tiles, with the memory of one (see `decodeTiled`). Of an `AutoencoderKL` the
 * mean and the log-variance are blended, as in diffusers.
 *
 * @param x `[N, H, W, inChannels]` as for `encode`. Borrowed.
 * @returns what `encode` gives. Owned by the caller.
 * @throws {ShapeError} @throws {ArgumentError} @throws the signal's reason.
 */
export function encodeTiled(model: AutoencoderKL, x: Tensor4D, options?: TiledOptions): Promise<DiagonalGaussian>;
export function encodeTiled(model: VQModel | AutoencoderTiny, x: Tensor4D, options?: TiledOptions): Promise<Tensor4D>;
export async function encodeTiled(
  model: AutoencoderKL | VQModel | AutoencoderTiny,
  x: Tensor4D,
  options: TiledOptions = {},
): Promise<DiagonalGaussian | Tensor4D> {
  if (model.kind === 'tiny') {
    checkTinyImage('encodeTiled', x, model.config);
    const factor = tinyDownsampleFactor(model.config);
    const network = { forward: (tile: Tensor4D) => model.encode(tile), inFactor: factor, outFactor: 1 };
    return mapTiles('encodeTiled', x, network, options, factor);
  }
  checkImage('encodeTiled', x, model.config);
  const factor = downsampleFactor(model.config);
  const forward = (tile: Tensor4D) => (model.kind === 'kl' ? model.moments(tile) : model.encode(tile));
  const blended = await mapTiles('encodeTiled', x, { forward, inFactor: factor, outFactor: 1 }, options, factor);
  if (model.kind === 'vq') return blended;
  const posterior = DiagonalGaussian.fromMoments(blended);
  blended.dispose();
  return posterior;
}
