import { ArgumentError } from '@sd/core';

const WAVELETS = ['haar', 'db1'] as const;
const MODES = ['periodization', 'zero', 'symmetric', 'reflect'] as const;

/** PyWavelets' name of a wavelet; `db1` is another name of `haar`. */
export type WaveletName = (typeof WAVELETS)[number];

/**
 * How an image continues beyond its border, by PyWavelets' names. Haar looks beyond it only where a size is odd, and
 * then by one sample: the last one (periodization, symmetric), the one before it (reflect) or 0 (zero).
 */
export type ExtensionMode = (typeof MODES)[number];

export type WaveletOptions = { readonly wavelet?: WaveletName; readonly mode?: ExtensionMode };

/** @throws {ArgumentError} that lists what is supported. */
export function checkWaveletOptions(operation: string, { wavelet = 'haar', mode = 'periodization' }: WaveletOptions) {
  checkOneOf(operation, 'wavelet', wavelet, WAVELETS);
  checkOneOf(operation, 'mode', mode, MODES);
  return { wavelet, mode };
}

function checkOneOf(operation: string, argument: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) {
    throw new ArgumentError(operation, argument, `one of ${allowed.map((name) => `"${name}"`).join(', ')}`, value);
  }
}
