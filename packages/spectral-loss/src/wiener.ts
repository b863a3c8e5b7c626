import { ArgumentError } from '@sd/core';

// Proposition 1 of Yang et al. 2023, for x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps, x_0 wide-sense stationary with
// power spectrum S(f), eps unit white noise: the linear filters of least expected squared error.
//   S(f)   power spectrum |X_0(f)|^2 of the clean signal
//   abar   cumulative product of the alphas, alphaCumprod

/**
 * Signal filter G(f) = sqrt(abar) S / (abar S + 1 - abar): the best linear estimate of x_0 from x_t, a low pass for
 * natural spectra, whose band grows as the noise falls (Figure 3 of the paper draws |G|^2 for S = 1/f^2).
 * @param spectrum S(f) >= 0 at any frequencies. @param alphaCumprod abar in [0, 1).
 * @returns G at the same frequencies. @throws {ArgumentError} on values out of range.
 */
export function wienerFilter(spectrum: ArrayLike<number>, alphaCumprod: number): Float64Array {
  checkFilter('wienerFilter', spectrum, alphaCumprod);
  const [abar, noise] = [alphaCumprod, 1 - alphaCumprod];
  return Float64Array.from(spectrum, (s) => (Math.sqrt(abar) * s) / (abar * s + noise));
}

/**
 * Noise filter H(f) = sqrt(1 - abar) / (abar S + 1 - abar): the best linear estimate of eps from x_t, which a
 * denoiser of noise prediction must learn. sqrt(abar) G + sqrt(1 - abar) H = 1.
 * @param spectrum S(f) >= 0 at any frequencies. @param alphaCumprod abar in [0, 1).
 * @returns H at the same frequencies. @throws {ArgumentError} on values out of range.
 */
export function noiseFilter(spectrum: ArrayLike<number>, alphaCumprod: number): Float64Array {
  checkFilter('noiseFilter', spectrum, alphaCumprod);
  const noise = 1 - alphaCumprod;
  return Float64Array.from(spectrum, (s) => Math.sqrt(noise) / (alphaCumprod * s + noise));
}

/**
 * The noise filter as Proposition 1 prints it, 1 / (abar S + 1 - abar): without the factor sqrt(1 - abar), hence not
 * the optimum (its shape over f is right). For comparison with the paper; use `noiseFilter` to filter.
 * @param spectrum S(f) >= 0 at any frequencies. @param alphaCumprod abar in [0, 1).
 * @throws {ArgumentError} on values out of range.
 */
export function noiseFilterPublished(spectrum: ArrayLike<number>, alphaCumprod: number): Float64Array {
  checkFilter('noiseFilterPublished', spectrum, alphaCumprod);
  return Float64Array.from(spectrum, (s) => 1 / (alphaCumprod * s + 1 - alphaCumprod));
}

function checkFilter(operation: string, spectrum: ArrayLike<number>, alphaCumprod: number): void {
  if (!(alphaCumprod >= 0 && alphaCumprod < 1)) {
    throw new ArgumentError(operation, 'alphaCumprod', 'a number in [0, 1)', alphaCumprod);
  }
  for (let i = 0; i < spectrum.length; i++) {
    const power = spectrum[i]!;
    if (!Number.isFinite(power) || power < 0) {
      throw new ArgumentError(operation, `spectrum[${i}]`, 'a finite number >= 0', power);
    }
  }
}
