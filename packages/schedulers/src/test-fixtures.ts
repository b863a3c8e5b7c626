import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** The fixed "noise" of the reference runs, standard normal by Box-Muller of two hashes of the index; see goldens/README.md. */
export function grid(shape: readonly number[], k: number): Float32Array {
  const fraction = (value: number) => value - Math.floor(value);
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return Float32Array.from({ length: size }, (_, index) => {
    const i = index + 1;
    const u = Math.max(fraction(Math.abs(Math.sin(12.9898 * i + 78.233 * k) * 43758.5453)), 1e-7);
    const v = fraction(Math.abs(Math.sin(39.3468 * i + 11.135 * k) * 24634.6345));
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  });
}

/** The "network" of the reference runs: f(x, t) = 0.6 x + 0.25 sin(3 x + t / 200). */
export function referenceModel(x: Tensor4D, t: number): Tensor4D {
  return tf.tidy(() => tf.add(tf.mul(x, 0.6), tf.mul(tf.sin(tf.add(tf.mul(x, 3), t / 200)), 0.25)));
}

/** The names of the kernels that run in `fn`, in order: on a GPU each is a dispatch. */
export async function kernelsOf(fn: () => unknown): Promise<string[]> {
  const { kernels } = await tf.profile(async () => {
    await fn();
    return tf.scalar(0);
  });
  return kernels.map(({ name }) => name);
}
