import { ArgumentError, checkInteger, checkRange, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { halfSpectrum } from './half-spectrum';
import { checkColorImages, luma } from './luma';
import { defaultBinCount, type RadialBins, radialBins } from './radial-bins';

/** A spectrum by radius. */
export type RadialSpectrum = {
  /** Mean radius of the coefficients in each bin, as a fraction of the Nyquist frequency, 0 to 1. */
  readonly frequency: Float64Array;
  /** Power in each bin: mean of |F|^2 over the bin's coefficients and over the images. */
  readonly power: Float64Array;
};

export type SpectrumStatisticsOptions = {
  /**
   * Number of radial bins, at most half the shorter side. Default: the largest multiple of 4 within that, so that a
   * quarter of the Nyquist frequency is an edge (below 8 pixels half the shorter side).
   */
  readonly bins?: number;
  /**
   * Added to a bin's power before its logarithm. Default 1e-8; the rounding of 8-bit images in [0, 1] has a power of
   * 1.3e-6.
   */
  readonly epsilon?: number;
};

/** All that was gathered, as plain numbers: JSON keeps them exactly. */
export type SpectrumState = {
  /** `[H, W]` of the images. */
  readonly size: readonly [number, number];
  readonly bins: number;
  readonly epsilon: number;
  /** Number of images. */
  readonly count: number;
  /** `[bins]`: sums over the images of a bin's power. */
  readonly powerSum: readonly number[];
  /** `[bins]`: sums over the images of the logarithm of a bin's power. */
  readonly logPowerSum: readonly number[];
};

/**
 * Radial spectra of a set of images, gathered batch by batch: a set of any size needs the memory of one batch.
 *
 * Of each image: luma, orthonormal DFT, power |F|^2, mean power in each bin. **A bin** k of B is the ring of
 * coefficients of radius r in [k/B, (k+1)/B) (the last one r = 1 too), r = |(2u/H, 2v/W)| being the frequency as a
 * fraction of Nyquist's. Bin 0 holds the zero frequency; the corners, r > 1, are left out. Not a number in an image is
 * not a number in the statistics.
 */
export class SpectrumStatistics {
  readonly epsilon: number;
  readonly #wantedBins: number | undefined;
  #size: readonly [number, number] | undefined;
  #bins: RadialBins | undefined;
  #powerSum = new Float64Array(0);
  #logPowerSum = new Float64Array(0);
  #count = 0;

  /** @throws {ArgumentError} unless epsilon is a number >= 0. `bins` is checked with the first images. */
  constructor({ bins, epsilon = 1e-8 }: SpectrumStatisticsOptions = {}) {
    checkRange('SpectrumStatistics', 'epsilon', epsilon, 0, Number.POSITIVE_INFINITY);
    this.#wantedBins = bins;
    this.epsilon = epsilon;
  }

  /**
   * Statistics that `toJSON` gave, read back to the same numbers.
   * @throws {ArgumentError} on sizes, counts and sums that no images give.
   */
  static fromJSON(state: SpectrumState): SpectrumStatistics {
    const op = 'SpectrumStatistics.fromJSON';
    const { size, bins, epsilon, count, powerSum, logPowerSum } = state;
    const [height, width] = size;
    checkInteger(op, 'height', height, 2);
    checkInteger(op, 'width', width, 2);
    checkInteger(op, 'count', count, 1);
    const statistics = new SpectrumStatistics({ bins, epsilon });
    statistics.#bins = radialBins(op, height, width, bins);
    statistics.#size = [height, width];
    for (const [name, sums] of Object.entries({ powerSum, logPowerSum })) {
      if (sums.length !== bins || !sums.every(Number.isFinite)) {
        throw new ArgumentError(op, name, `${bins} finite numbers`, sums);
      }
    }
    statistics.#powerSum = Float64Array.from(powerSum);
    statistics.#logPowerSum = Float64Array.from(logPowerSum);
    statistics.#count = count;
    return statistics;
  }

  /** All that was gathered, for `fromJSON`. @throws {ArgumentError} before the first image. */
  toJSON(): SpectrumState {
    const { bins } = this.#filled('toJSON');
    const [height, width] = this.#size as readonly [number, number];
    return {
      size: [height, width],
      bins,
      epsilon: this.epsilon,
      count: this.#count,
      powerSum: [...this.#powerSum],
      logPowerSum: [...this.#logPowerSum],
    };
  }

  /** Number of images so far. */
  get count(): number {
    return this.#count;
  }

  /** Number of radial bins, undefined while the default waits for the first images. */
  get bins(): number | undefined {
    return this.#bins?.bins ?? this.#wantedBins;
  }

  /** `[H, W]` of the images, undefined before the first. */
  get size(): readonly [number, number] | undefined {
    return this.#size;
  }

  /**
   * Adds images to the statistics.
   * @param x `[N, H, W, 3]` or `[N, H, W, 1]`, of the size of those before, in any range as long as it is the same for
   * all sets that are compared. Borrowed; it may be disposed as soon as this returns its promise.
   * @throws {ShapeError} on another shape. @throws {ArgumentError} on too many bins for the size, or a disposed tensor.
   */
  async add(x: Tensor4D): Promise<void> {
    checkColorImages('SpectrumStatistics.add', 'x', x);
    const [n, h, w, c] = x.shape;
    const [height, width] = this.#size ?? [h, w];
    if (h !== height || w !== width) {
      throw new ShapeError('SpectrumStatistics.add', 'x', `[N, ${height}, ${width}, 3 or 1]`, [n, h, w, c]);
    }
    if (this.#bins === undefined) {
      const bins = radialBins('SpectrumStatistics', h, w, this.#wantedBins ?? defaultBinCount(h, w));
      this.#powerSum = new Float64Array(bins.bins);
      this.#logPowerSum = new Float64Array(bins.bins);
      this.#bins = bins;
      this.#size = [h, w];
    }
    const power = tf.tidy(() => {
      const { re, im } = halfSpectrum(luma(tf.cast(x, 'float32')), 'ortho');
      return tf.add(tf.square(re), tf.square(im)); // [N, 1, M, H]
    });
    try {
      this.#addPowers(this.#bins, n, await power.data<'float32'>());
    } finally {
      power.dispose();
    }
  }

  #addPowers({ bins, bin, multiplicity, count }: RadialBins, n: number, powers: Float32Array): void {
    const image = new Float64Array(bins);
    for (let i = 0; i < n; i++) {
      image.fill(0);
      const offset = i * bin.length;
      for (let j = 0; j < bin.length; j++) {
        if (bin[j] !== -1) image[bin[j]!]! += multiplicity[j]! * powers[offset + j]!;
      }
      for (let k = 0; k < bins; k++) {
        const mean = image[k]! / count[k]!;
        this.#powerSum[k]! += mean;
        this.#logPowerSum[k]! += Math.log(mean + this.epsilon);
      }
    }
    this.#count += n;
  }

  /** Mean spectrum over the images. @throws {ArgumentError} before the first image. */
  spectrum(): RadialSpectrum {
    const { frequency } = this.#filled('spectrum');
    return { frequency: frequency.slice(), power: this.#powerSum.map((sum) => sum / this.#count) };
  }

  /**
   * Mean over the images of the natural logarithm of each bin's power: the exponential of it is the geometric mean,
   * which a few images of high contrast do not dominate. @throws {ArgumentError} before the first image.
   */
  meanLogPower(): Float64Array {
    this.#filled('meanLogPower');
    return this.#logPowerSum.map((sum) => sum / this.#count);
  }

  #filled(method: string): RadialBins {
    if (this.#bins === undefined || this.#count === 0) {
      throw new ArgumentError(`SpectrumStatistics.${method}`, 'images', 'added before', 0);
    }
    return this.#bins;
  }
}
