import { AutoencoderKL } from './autoencoder-kl';
import { checkAutoencoderConfig } from './check-config';
import type { AutoencoderConfig } from './config';
import { VQModel } from './vq-model';

/** Any first stage; `kind` tells which. */
export type Autoencoder = AutoencoderKL | VQModel;

/** The model of a configuration, `config.kind` deciding its class. Takes no memory yet. @throws {ArgumentError} */
export function createAutoencoder(config: AutoencoderConfig): Autoencoder {
  checkAutoencoderConfig(config);
  return config.kind === 'kl' ? new AutoencoderKL(config) : new VQModel(config);
}

/** Number of parameters of a configuration, counted without memory for them. @throws {ArgumentError} */
export function countParameters(config: AutoencoderConfig): number {
  return createAutoencoder(config).parameterCount;
}

/**
 * Multiply-accumulates of the convolutions for one image of `size` x `size` pixels, without attention's matrix products
 * and the codebook's distances. @throws {ArgumentError}
 */
export function countMacs(
  config: AutoencoderConfig,
  { size = config.resolution }: { readonly size?: number } = {},
): { encode: number; decode: number } {
  return createAutoencoder(config).macs(size, size);
}
