import { ArgumentError } from '@sd/core';
import { checkWavelet } from './check-wavelet';
import type { WaveletName } from './wavelet-name';

const MODES = ['periodization', 'zero', 'symmetric', 'reflect'] as const;

/**
 * How a signal continues beyond its border, by PyWavelets' names:
 * - periodization: it repeats itself, an odd one with its last sample doubled; n samples give ceil(n/2) coefficients;
 * - zero: by zeros;
 * - symmetric: mirrored between samples, c b a | a b c;
 * - reflect: mirrored at the first and last sample, c b | a b c.
 *
 * Except for periodization, n samples give floor((n + f - 1) / 2) coefficients for filters of length f, so that
 * what happens at the border is kept, too.
 */
export type ExtensionMode = (typeof MODES)[number];

export type WaveletOptions = { readonly wavelet?: WaveletName; readonly mode?: ExtensionMode };

/** @throws {ArgumentError} that lists what is supported, or the nearest. */
export function checkWaveletOptions(operation: string, { wavelet = 'haar', mode = 'periodization' }: WaveletOptions) {
  checkWavelet(operation, 'wavelet', wavelet);
  if (!MODES.includes(mode)) {
    throw new ArgumentError(operation, 'mode', `one of ${MODES.map((name) => `"${name}"`).join(', ')}`, mode);
  }
  return { wavelet, mode };
}
