import { ArgumentError, checkInteger } from '@sd/core';

/** Shape of an `AutoencoderTiny`: plain data, the same after a trip through JSON. */
export type AutoencoderTinyConfig = {
  readonly kind: 'tiny';
  readonly inChannels: number;
  readonly outCh: number;
  /** Channels of the latent: 4 (TAESD, TAESDXL), 16 (TAESD3, TAEF1), 32 (TAEF2). */
  readonly latentChannels: number;
  /** Width of every layer of the encoder. */
  readonly encoderCh: number;
  /** Width of every layer of the decoder. */
  readonly decoderCh: number;
  /** Blocks of each level of the encoder, the finest first; every level after the first halves the image. */
  readonly encoderBlocks: readonly number[];
  /** Blocks of each level of the decoder, the coarsest first; every level but the last doubles the image. */
  readonly decoderBlocks: readonly number[];
  /** Do the blocks of the coarsest level begin with a `TinyPool`? True for FLUX.2's TAEF2. */
  readonly pool: boolean;
  /** Values of the images: `unit` is TAESD's [0, 1], `signed` diffusers' [-1, 1]. The weights are the same. */
  readonly range: 'unit' | 'signed';
  /** Latents within +- this survive `scaleLatents`. */
  readonly latentMagnitude: number;
  /** Where `scaleLatents` puts 0. */
  readonly latentShift: number;
};

/** How many times smaller than the image the latent is, in height and in width. */
export function tinyDownsampleFactor({ encoderBlocks }: Pick<AutoencoderTinyConfig, 'encoderBlocks'>): number {
  return 2 ** (encoderBlocks.length - 1);
}

/** @throws {ArgumentError} that names the first field whose value no such autoencoder can have. */
export function checkAutoencoderTinyConfig(config: AutoencoderTinyConfig): void {
  const op = 'AutoencoderTinyConfig';
  if (config.kind !== 'tiny') throw new ArgumentError(op, 'kind', "'tiny'", config.kind);
  for (const name of ['inChannels', 'outCh', 'latentChannels', 'encoderCh', 'decoderCh'] as const) {
    checkInteger(op, name, config[name]);
  }
  for (const name of ['encoderBlocks', 'decoderBlocks'] as const) {
    const counts = config[name];
    if (!Array.isArray(counts) || counts.length === 0) {
      throw new ArgumentError(op, name, 'a list of integers', counts);
    }
    for (const count of counts) checkInteger(op, name, count, 0);
  }
  if (config.encoderBlocks.length !== config.decoderBlocks.length) {
    throw new ArgumentError(op, 'decoderBlocks', `${config.encoderBlocks.length} levels`, config.decoderBlocks);
  }
  if (typeof config.pool !== 'boolean') throw new ArgumentError(op, 'pool', 'true or false', config.pool);
  if (config.range !== 'unit' && config.range !== 'signed') {
    throw new ArgumentError(op, 'range', "'unit' or 'signed'", config.range);
  }
  if (!Number.isFinite(config.latentMagnitude) || config.latentMagnitude <= 0) {
    throw new ArgumentError(op, 'latentMagnitude', 'a number > 0', config.latentMagnitude);
  }
  if (!Number.isFinite(config.latentShift)) {
    throw new ArgumentError(op, 'latentShift', 'a finite number', config.latentShift);
  }
}
