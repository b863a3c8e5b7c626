import { ArgumentError, checkRange } from '@sd/core';

/**
 * The power law of natural images, S(f) = A / f^a (paper, Figure 3: A = 1, a = 2).
 * @param frequencies f > 0, in any unit (`radialSpectrum`: leave out its first bin, the zero frequency).
 * @returns S at these frequencies. @throws {ArgumentError} on values out of range.
 */
export function naturalSpectrum(
  frequencies: ArrayLike<number>,
  { amplitude = 1, exponent = 2 }: { readonly amplitude?: number; readonly exponent?: number } = {},
): Float64Array {
  checkRange('naturalSpectrum', 'amplitude', amplitude, 0, Number.POSITIVE_INFINITY);
  checkRange('naturalSpectrum', 'exponent', exponent, -10, 10);
  return Float64Array.from(frequencies, (f, i) => {
    if (!(f > 0)) throw new ArgumentError('naturalSpectrum', `frequencies[${i}]`, 'a number > 0', f);
    return amplitude / f ** exponent;
  });
}
