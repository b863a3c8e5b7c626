import { checkInteger } from '@sd/core';
import { ClipTextModel, type CountMacsOptions } from './clip-text-model';
import type { ClipTextConfig } from './config';

/** Number of trainable values. No tensor is made. @throws {ArgumentError} on a configuration that cannot be built. */
export function countParameters(config: ClipTextConfig): number {
  return new ClipTextModel(config).parameterCount;
}

/** Multiply-accumulates of the linear layers for one text. No tensor is made. @throws {ArgumentError} */
export function countMacs(config: ClipTextConfig, options: CountMacsOptions = {}): number {
  if (options.tokens !== undefined) checkInteger('countMacs', 'tokens', options.tokens);
  return new ClipTextModel(config).macs(options);
}
