import { checkShape } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { AutoencoderKL } from '../autoencoder-kl';
import { downsampleFactor } from '../config';
import type { AutoencoderTiny } from '../tiny/autoencoder-tiny';
import { tinyDownsampleFactor } from '../tiny/config';
import type { VQModel } from '../vq-model';
import { mapTiles, type TiledOptions } from './map-tiles';

/**
 * `decode` of a large latent by overlapping tiles, blended linearly as in diffusers' tiled_decode: the memory is that of one
 * tile and of the image. A tile does not see what lies outside it, so that the image is not quite that of `decode`:
 * normalization and attention have statistics of the tile.
 *
 * @param z `[N, h, w, C]` as for `decode`. Borrowed.
 * @returns the image that `decode` gives, but for the seams. Owned by the caller.
 * @throws {ShapeError} @throws {ArgumentError} @throws the signal's reason.
 */
export async function decodeTiled(
  model: AutoencoderKL | VQModel | AutoencoderTiny,
  z: Tensor4D,
  options: TiledOptions = {},
): Promise<Tensor4D> {
  const channels = model.kind === 'tiny' ? model.config.latentChannels : model.config.embedDim;
  checkShape('decodeTiled', 'z', z, ['N', 'h', 'w', channels]);
  const factor = model.kind === 'tiny' ? tinyDownsampleFactor(model.config) : downsampleFactor(model.config);
  const network = { forward: (tile: Tensor4D) => model.decode(tile), inFactor: 1, outFactor: factor };
  return mapTiles('decodeTiled', z, network, options, factor);
}
