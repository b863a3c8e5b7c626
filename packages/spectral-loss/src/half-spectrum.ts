import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type ComplexTensor, fourierPlanes } from './fourier-planes';
import type { FftNorm } from './norm';

// The DFT of a real signal is conjugate symmetric, F[-u, -v] = conj F[u, v]: the columns v <= W/2 hold all of it.

/** Number of columns of a half spectrum: the horizontal frequencies 0..floor(W/2). */
export function halfColumns(w: number): number {
  return Math.floor(w / 2) + 1;
}

/** Does column v of the half spectrum stand for column W - v too? (Not v = 0, nor v = W/2, which mirror themselves.) */
export function isPaired(v: number, w: number): boolean {
  return v > 0 && 2 * v !== w;
}

/** F of a real signal. @param x `[N, H, W, C]`. Borrowed. @returns parts `[N, C, halfColumns(W), H]`. Owned. */
export function halfSpectrum(x: Tensor4D, norm: FftNorm): ComplexTensor {
  return fourierPlanes(x, { norm, sign: -1, columns: halfColumns(x.shape[2]) });
}

/**
 * Sums over the full spectrum from a half one: w[u, v] |F[u, v]|^2 summed over all (u, v) equals the sum over v <= W/2
 * of the returned weight, in which each paired column has taken in its mirror image, w[u, v] + w[-u, -v].
 * @param weight `[N | 1, H, W, C | 1]`. Borrowed. @returns `[N | 1, C | 1, halfColumns(W), H]`. Owned.
 */
export function foldWeight(weight: Tensor4D): Tensor4D {
  const [n, h, w, c] = weight.shape;
  const columns = halfColumns(w);
  return tf.tidy(() => {
    const mirrorRows = tf.tensor1d(
      Int32Array.from({ length: h }, (_, u) => (h - u) % h),
      'int32',
    );
    const mirrorColumns = tf.tensor1d(
      Int32Array.from({ length: columns }, (_, v) => (w - v) % w),
      'int32',
    );
    const mirrored = tf.gather(tf.gather(weight, mirrorColumns, 2), mirrorRows, 1); // [N, H, M, C]
    const paired = tf.tensor4d(
      Float32Array.from({ length: columns }, (_, v) => Number(isPaired(v, w))),
      [1, 1, columns, 1],
    );
    const folded = tf.add(tf.slice(weight, [0, 0, 0, 0], [n, h, columns, c]), tf.mul(mirrored, paired));
    return tf.transpose(folded, [0, 3, 2, 1]) as Tensor4D; // [N, C, M, H]
  });
}

/** The weight that makes a sum over a half spectrum one over the full spectrum. @returns `[1, 1, M, 1]`. Owned. */
export function halfMultiplicity(w: number): Tensor4D {
  const columns = halfColumns(w);
  return tf.tensor4d(
    Float32Array.from({ length: columns }, (_, v) => (isPaired(v, w) ? 2 : 1)),
    [1, 1, columns, 1],
  );
}
