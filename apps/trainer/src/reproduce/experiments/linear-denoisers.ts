import { foldIn, normalArray, type RandomKey } from '@sd/core';
import { naturalSpectrum, noiseFilter, noiseFilterPublished } from '@sd/spectral-loss';

export type LinearDenoiserOptions = {
  readonly abar: number;
  /** Signals that the filters are fitted to, and as many that they are measured on. */
  readonly signals: number;
  /** Samples of a signal, even. */
  readonly length: number;
  readonly key: RandomKey;
};

export type LinearDenoiserErrors = {
  /** Mean squared errors of the predicted noise. */
  readonly exact: number;
  readonly published: number;
  readonly best: number;
  /** The largest distance of a fitted coefficient from the exact filter's. */
  readonly coefficients: number;
};

/**
 * Monte-Carlo check of Proposition 1 (Yang et al. 2023): x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps of stationary signals
 * with the spectrum 1 / f^2; the linear filter of least squared error is fitted frequency by frequency, without any use
 * of the proposition, and compared with the proposition's on other signals.
 */
export function linearDenoisers({ abar, signals, length, key }: LinearDenoiserOptions): LinearDenoiserErrors {
  // Frequencies 1 to length / 2: at f = 0 the spectrum has no bound.
  const half = length / 2;
  const spectrum = naturalSpectrum(Float64Array.from({ length: half }, (_, i) => i + 1));
  const cross = new Float64Array(half);
  const power = new Float64Array(half);
  for (const { xt, eps } of noisySpectra(foldIn(key, 'fit'), signals, spectrum, abar)) {
    for (let i = 0; i < 2 * half; i++) {
      cross[i >> 1] += eps[i] * xt[i];
      power[i >> 1] += xt[i] * xt[i];
    }
  }
  const best = cross.map((value, f) => value / power[f]);
  const exact = noiseFilter(spectrum, abar);
  const filters = { exact, published: noiseFilterPublished(spectrum, abar), best };
  const sums = { exact: 0, published: 0, best: 0 };
  let total = 0;
  for (const { xt, eps } of noisySpectra(foldIn(key, 'measure'), signals, spectrum, abar)) {
    for (let i = 0; i < 2 * half; i++) {
      for (const name of ['exact', 'published', 'best'] as const) {
        sums[name] += (eps[i] - filters[name][i >> 1] * xt[i]) ** 2;
      }
      total += eps[i] ** 2;
    }
  }
  return {
    exact: sums.exact / total,
    published: sums.published / total,
    best: sums.best / total,
    coefficients: Math.max(...best.map((value, f) => Math.abs(value - exact[f]))),
  };
}

/** Orthonormal DFTs of noisy signals and of their noise, real and imaginary parts in turn, for f = 1 to length / 2. */
function* noisySpectra(key: RandomKey, signals: number, spectrum: Float64Array, abar: number) {
  const half = spectrum.length;
  const white = whiteSpectra(foldIn(key, 'signal'), signals, 2 * half);
  for (const eps of whiteSpectra(foldIn(key, 'noise'), signals, 2 * half)) {
    const x0 = white.next().value as Float64Array;
    const xt = x0.map((value, i) => Math.sqrt(abar * spectrum[i >> 1]) * value + Math.sqrt(1 - abar) * eps[i]);
    yield { xt, eps };
  }
}

function* whiteSpectra(key: RandomKey, signals: number, length: number): Generator<Float64Array> {
  const table = (wave: (angle: number) => number) =>
    Float64Array.from({ length }, (_, k) => wave((2 * Math.PI * k) / length) / Math.sqrt(length));
  const [cosine, sine] = [table(Math.cos), table(Math.sin)];
  for (let signal = 0; signal < signals; signal++) {
    const values = normalArray(foldIn(key, signal), length);
    const spectrum = new Float64Array(length);
    for (let f = 1; f <= length / 2; f++) {
      let [re, im] = [0, 0];
      for (let j = 0; j < length; j++) {
        const angle = (f * j) % length;
        re += values[j] * cosine[angle];
        im -= values[j] * sine[angle];
      }
      spectrum[2 * f - 2] = re;
      spectrum[2 * f - 1] = im;
    }
    yield spectrum;
  }
}
