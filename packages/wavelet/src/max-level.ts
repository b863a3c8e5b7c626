import { checkInteger } from '@sd/core';
import { checkWavelet } from './check-wavelet';
import { filterLength } from './wavelet-filters';
import type { WaveletName } from './wavelet-name';

/**
 * The number of levels after which a signal is shorter than the filter (`pywt.dwt_max_level`): floor(log2(length / (f - 1)))
 * for filters of length f, and at least 0. Deeper levels are of the border more than of the signal.
 *
 * @throws {ArgumentError} on an unknown wavelet, or a length that is no integer of at least 1.
 */
export function maxLevel(length: number, wavelet: WaveletName = 'haar'): number {
  checkInteger('maxLevel', 'length', length);
  checkWavelet('maxLevel', 'wavelet', wavelet);
  let level = 0;
  for (let shortest = 2 * (filterLength(wavelet) - 1); shortest <= length; shortest *= 2) level++;
  return level;
}
