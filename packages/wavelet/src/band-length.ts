import type { ExtensionMode } from './wavelet';

/** How many coefficients each band has of a signal of this length. */
export function bandLength(length: number, filterLength: number, mode: ExtensionMode): number {
  return mode === 'periodization' ? Math.ceil(length / 2) : Math.floor((length + filterLength - 1) / 2);
}

/** The length of the signal that bands of this length give: that of the original, or one more if that was odd. */
export function inverseLength(bands: number, filterLength: number, mode: ExtensionMode): number {
  return mode === 'periodization' ? 2 * bands : 2 * bands - filterLength + 2;
}
