/**
 * Where a noisy x stands between image and noise: x = signal x_0 + noise eps. The processes differ in how the two are
 * scaled, and their solvers work on the ratio sigma = noise / signal, or on lambda = -log(sigma).
 */
export type NoiseLevel = { readonly signal: number; readonly noise: number };

/** Of a DDPM: signal^2 + noise^2 = 1. */
export function levelOfAlphaCumprod(alphaCumprod: number): NoiseLevel {
  return { signal: Math.sqrt(alphaCumprod), noise: Math.sqrt(1 - alphaCumprod) };
}

/** signal^2 + noise^2 = 1, by the ratio. */
export function variancePreserving(sigma: number): NoiseLevel {
  const signal = 1 / Math.hypot(sigma, 1);
  return { signal, noise: sigma * signal };
}

/** signal = 1: x_0 + sigma eps (Karras et al. 2022). */
export function varianceExploding(sigma: number): NoiseLevel {
  return { signal: 1, noise: sigma };
}

/** A straight line from image to noise: (1 - t) x_0 + t eps (Lipman et al. 2023, Liu et al. 2023). */
export function straightLine(t: number): NoiseLevel {
  return { signal: 1 - t, noise: t };
}

/** lambda = log(signal / noise), half the logarithm of the ratio of signal to noise. Infinite where there is no noise. */
export function halfLogSnr({ signal, noise }: NoiseLevel): number {
  return Math.log(signal) - Math.log(noise);
}

/** The abar of the DDPM that has this ratio of signal to noise. */
export function alphaCumprodOf({ signal, noise }: NoiseLevel): number {
  return signal ** 2 / (signal ** 2 + noise ** 2);
}
