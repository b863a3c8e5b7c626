import { ArgumentError, checkInteger } from '@sd/core';
import type { UNetConfig } from './config';
import { UNet } from './unet';

export type CountMacsOptions = {
  /** Count the attention's products Q K^T and A V, too. Published numbers leave them out. Default false. */
  readonly attention?: boolean;
  /** Height and width of the input. Default the configuration's `imageSize`. */
  readonly size?: number;
  /** Tokens of the context. Default the configuration's `contextLength`. */
  readonly contextLength?: number;
};

/** Number of trainable values. No tensor is made. @throws {ArgumentError} on a configuration that cannot be built. */
export function countParameters(config: UNetConfig): number {
  return new UNet(config).parameterCount;
}

/**
 * Multiply-accumulates of a forward pass of one sample: convolutions and linear layers, those of the time embedding and
 * of the gates included; neither normalizations nor activations nor wavelet transforms. No tensor is made.
 * @throws {ArgumentError}
 */
export function countMacs(config: UNetConfig, options: CountMacsOptions = {}): number {
  const model = new UNet(config);
  const { imageSize, contextLength, channelMult } = model.config;
  const { attention = false, size = imageSize, contextLength: tokens = contextLength } = options;
  checkInteger('countMacs', 'size', size);
  checkInteger('countMacs', 'contextLength', tokens);
  const factor = 2 ** (channelMult.length - 1);
  if (size % factor !== 0) throw new ArgumentError('countMacs', 'size', `a multiple of ${factor}`, size);
  return model.macs(size, size, { attention, contextLength: tokens });
}
