import { ArgumentError, checkInteger } from '@sd/core';
import { halfColumns, isPaired } from './half-spectrum';

/** The radial bins of an H x W spectrum, for a half spectrum stored as `[halfColumns(W), H]`. */
export type RadialBins = {
  readonly bins: number;
  /** Bin of each coefficient of the half spectrum, -1 for those beyond the Nyquist frequency. */
  readonly bin: Int32Array;
  /** 2 where a coefficient stands for its mirror image too, else 1. */
  readonly multiplicity: Uint8Array;
  /** Number of coefficients of the full spectrum in each bin. */
  readonly count: Float64Array;
  /** Mean radius of the coefficients in each bin, as a fraction of the Nyquist frequency. */
  readonly frequency: Float64Array;
};

/** The most bins of which each is sure to hold a coefficient: half the shorter side. */
export function largestBinCount(h: number, w: number): number {
  return Math.floor(Math.min(h, w) / 2);
}

/** The largest multiple of 4 that is a valid number of bins, so that r = 0.25 is an edge; below 8 pixels the largest. */
export function defaultBinCount(h: number, w: number): number {
  const largest = largestBinCount(h, w);
  return largest >= 4 ? 4 * Math.floor(largest / 4) : largest;
}

/**
 * Bin k of B holds the coefficients whose radius r lies in [k/B, (k+1)/B), the last one r = 1 too. The radius is a
 * fraction of the Nyquist frequency (half a cycle per pixel), along each axis by its own length:
 * r = |(2u/H, 2v/W)| with u, v the signed frequencies. The corners of the spectrum, r > 1, are in no bin.
 * @throws {ArgumentError} unless bins is an integer in [1, min(H, W)/2].
 */
export function radialBins(operation: string, h: number, w: number, bins: number): RadialBins {
  checkInteger(operation, 'bins', bins);
  if (bins > largestBinCount(h, w)) {
    throw new ArgumentError(
      operation,
      'bins',
      `at most ${largestBinCount(h, w)}, half the shorter side of ${h}x${w}`,
      bins,
    );
  }
  const columns = halfColumns(w);
  const bin = new Int32Array(columns * h);
  const multiplicity = new Uint8Array(columns * h);
  const count = new Float64Array(bins);
  const frequency = new Float64Array(bins);
  for (let v = 0; v < columns; v++) {
    for (let row = 0; row < h; row++) {
      const u = Math.min(row, h - row); // |signed frequency|
      const radius = Math.hypot((2 * u) / h, (2 * v) / w);
      const index = v * h + row;
      multiplicity[index] = isPaired(v, w) ? 2 : 1;
      // A radius on an edge belongs to the bin above it, whatever the rounding of the hypotenuse.
      const k = Math.floor(radius * bins + 1e-9);
      bin[index] = radius > 1 + 1e-9 ? -1 : Math.min(k, bins - 1);
      if (bin[index] === -1) continue;
      count[bin[index]!]! += multiplicity[index]!;
      frequency[bin[index]!]! += multiplicity[index]! * radius;
    }
  }
  for (let k = 0; k < bins; k++) frequency[k]! /= count[k]!;
  return { bins, bin, multiplicity, count, frequency };
}
