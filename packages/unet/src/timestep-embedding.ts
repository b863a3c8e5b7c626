import { ArgumentError, checkInteger, checkShape } from '@sd/core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

const MAX_PERIOD = 10000;
const ROUGH_TURN = 6.28125;

export type TimestepEmbeddingOptions = {
  /** Cosines before sines. Default true, as LDM's UNet. */
  readonly flipSinToCos?: boolean;
  /** Subtracted from the number of frequencies in their exponent. Default 0, as LDM's UNet; 1 in Ho et al. 2020. */
  readonly freqShift?: number;
};

/**
 * Sinusoidal embedding of timesteps: [cos(t f_i), sin(t f_i)], f_i = 10000^(-i / (half - freqShift)), half =
 * floor(dim / 2), a zero at the end where dim is odd. By default LDM's `util.timestep_embedding`, not the one of its
 * `model.py`; with options diffusers' `get_timestep_embedding`.
 *
 * @param t `[N]`, in steps; fractions are allowed. Numbers are exact on every backend. Borrowed.
 * @returns `[N, dim]`. Owned by the caller.
 * @throws {ArgumentError} @throws {ShapeError}
 */
export function timestepEmbedding(
  t: readonly number[] | Tensor1D,
  dim: number,
  { flipSinToCos = true, freqShift = 0 }: TimestepEmbeddingOptions = {},
): Tensor2D {
  checkInteger('timestepEmbedding', 'dim', dim, 2);
  const half = Math.floor(dim / 2);
  if (!(freqShift >= 0 && freqShift < half)) {
    throw new ArgumentError('timestepEmbedding', 'freqShift', `a number in [0, ${half})`, freqShift);
  }
  const frequencies = frequenciesOf(half, freqShift);
  if (t instanceof tf.Tensor) return embedTensor(t, dim, frequencies, flipSinToCos);
  const [cosines, sines] = flipSinToCos ? [0, half] : [half, 0];
  const values = new Float32Array(t.length * dim);
  for (const [row, time] of t.entries()) {
    if (!Number.isFinite(time)) throw new ArgumentError('timestepEmbedding', 't', 'finite numbers', t);
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(time * frequencies[i]);
      values[row * dim + cosines + i] = Math.cos(angle);
      values[row * dim + sines + i] = Math.sin(angle);
    }
  }
  return tf.tensor2d(values, [t.length, dim]);
}

function embedTensor(t: Tensor1D, dim: number, frequencies: Float32Array, flipSinToCos: boolean): Tensor2D {
  checkShape('timestepEmbedding', 't', t, ['N']);
  const half = frequencies.length;
  return tf.tidy(() => {
    const times = tf.reshape(tf.cast(t, 'float32'), [-1, 1]); // [N, 1]
    const angles = wrapped(tf.mul(times, tf.tensor(frequencies, [1, half]))); // [N, half]
    const parts = [tf.cos(angles), tf.sin(angles)] as Tensor2D[];
    if (!flipSinToCos) parts.reverse();
    if (dim % 2 === 1) parts.push(tf.zeros([t.shape[0], 1]));
    return tf.concat(parts, 1);
  });
}

/**
 * Rounded to float32 after every step, as PyTorch computes them: at t = 999 the phase shows the last bit of a frequency.
 */
function frequenciesOf(half: number, shift: number): Float32Array {
  const rate = Math.fround(-Math.log(MAX_PERIOD));
  return Float32Array.from({ length: half }, (_, i) => Math.exp(Math.fround(Math.fround(rate * i) / (half - shift))));
}

/**
 * Angles less a multiple of 2 pi, in about [-pi, pi]: beyond, WebGPU promises nothing of sines, and angles reach 1000. As
 * the first part of 2 pi has few digits, its multiples are exact (Cody and Waite).
 */
function wrapped(angles: Tensor): Tensor {
  const turns = tf.round(tf.mul(angles, 1 / (2 * Math.PI)));
  const rough = tf.sub(angles, tf.mul(turns, ROUGH_TURN));
  return tf.sub(rough, tf.mul(turns, 2 * Math.PI - ROUGH_TURN));
}
