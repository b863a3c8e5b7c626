import { normalArray, type RandomKey } from '@sd/core';
import { type Initializer, normalInit, torchDefaultInit, zeros } from '@sd/nn';

/**
 * How the parameters of a network that starts as a nearly linear map are drawn (`init: 'linear'` of the configuration).
 * [O]: CompVis starts from PyTorch's defaults, whose shrinking signal and active residual branches cost a short training
 * most of its steps.
 */

/** A convolution `[out, in, k, k]` whose filters are orthonormal (or, where they are too many, its columns); bias 0. */
export function orthogonalInit(outChannels: number, inChannels: number, kernel: number): Initializer {
  const columns = inChannels * kernel * kernel;
  return weightOnly(outChannels * columns, (key) => orthonormal(key, outChannels, columns));
}

/** The mean of every 2x2 block, times 1.5 because a mean has a smaller deviation than its terms; some noise; bias 0. */
export function downsampleInit(channels: number): Initializer {
  return tapsInit(channels, [0, 1, 3, 4], 0.375); // the top left 2x2 of the 3x3 filter: the padding is bottom right
}

/** The pixel itself, some noise; bias 0. */
export function upsampleInit(channels: number): Initializer {
  return tapsInit(channels, [4], 1);
}

/** Each channel is `value` times the sum of its own pixels at these taps of a 3x3 filter, plus a quarter of the default. */
function tapsInit(channels: number, taps: readonly number[], value: number): Initializer {
  return weightOnly(channels * channels * 9, (key, size) => {
    const weight = torchDefaultInit(channels * 9)(key, size).map((noise) => noise / 4);
    for (let c = 0; c < channels; c++) for (const tap of taps) weight[(c * channels + c) * 9 + tap] += value;
    return weight;
  });
}

/** Draws the weight by `init`; the bias, which has another size, by another, 0 by default. */
function weightOnly(weightSize: number, init: Initializer, bias: Initializer = zeros): Initializer {
  return (key, size) => (size === weightSize ? init(key, size) : bias(key, size));
}

/** A discriminator's convolution: filters from N(0, 0.02), and the biases where PyTorch has them (taming's weights_init). */
export function discriminatorInit(outChannels: number, inChannels: number, kernel: number): Initializer {
  const fanIn = inChannels * kernel * kernel;
  return weightOnly(outChannels * fanIn, normalInit(0.02), torchDefaultInit(fanIn));
}

/** A `[rows, columns]` matrix with orthonormal rows, or columns where there are fewer: Gram and Schmidt on normal noise. */
function orthonormal(key: RandomKey, rows: number, columns: number): Float32Array {
  const [count, length] = rows <= columns ? [rows, columns] : [columns, rows];
  const noise = normalArray(key, count * length);
  const vectors = Array.from({ length: count }, (_, i) => noise.subarray(i * length, (i + 1) * length));
  for (const [i, vector] of vectors.entries()) {
    for (const earlier of vectors.slice(0, i)) {
      const overlap = dot(vector, earlier);
      for (let j = 0; j < length; j++) vector[j] -= overlap * earlier[j];
    }
    const norm = Math.sqrt(dot(vector, vector));
    for (let j = 0; j < length; j++) vector[j] /= norm;
  }
  const matrix = new Float32Array(rows * columns);
  for (const [i, vector] of vectors.entries()) {
    for (let j = 0; j < length; j++) matrix[rows <= columns ? i * columns + j : j * columns + i] = vector[j];
  }
  return matrix;
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
