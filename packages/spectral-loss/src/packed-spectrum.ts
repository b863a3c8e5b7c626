import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type ConstantMatrix, constantMatrix } from './constant-matrix';
import { type DftMatrix, dftMatrix } from './dft-matrix';
import { halfColumns } from './half-spectrum';
import { multiplyLastAxis } from './multiply-last-axis';
import { axisScale, type FftNorm } from './norm';

/**
 * `halfSpectrum` with both parts in one tensor, which two products give instead of six: for kernels that read it as it
 * lies. Cutting the parts out would cost as much as is saved.
 *
 * @param x `[N, H, W, C]`. Borrowed.
 * @returns `[N, C, halfColumns(W), 2, H]`, real parts before imaginary ones. Owned by the caller.
 */
export function packedHalfSpectrum(x: Tensor4D, norm: FftNorm): Tensor {
  const [n, h, w, c] = x.shape;
  const m = halfColumns(w);
  return tf.tidy(() => {
    const horizontal = dftMatrix(w, { frequencies: m, sign: -1, scale: axisScale(norm, w, -1) });
    const vertical = dftMatrix(h, { sign: -1, scale: axisScale(norm, h, -1) });
    const planes = tf.transpose(x, [0, 3, 1, 2]); // [N, C, H, W]
    const rows = multiplyLastAxis(planes, fromReal(horizontal)); // [N, C, H, 2M]
    const turned = tf.transpose(tf.reshape(rows, [n * c, h, 2 * m]), [0, 2, 1]); // [NC, 2M, H]
    const spectrum = multiplyLastAxis(tf.reshape(turned, [n * c, m, 2 * h]), fromComplex(vertical)); // [NC, M, 2H]
    return tf.reshape(spectrum, [n, c, m, 2, h]);
  });
}

const at = ({ values, columns }: ConstantMatrix, row: number, column: number) => values[row * columns + column]!;

/** Real values to both parts of one frequency after another: `[n, 2 frequencies]`. */
function fromReal({ cosine, sine }: DftMatrix): ConstantMatrix {
  return constantMatrix(cosine.rows, 2 * cosine.columns, (j, k) => at(k % 2 === 0 ? cosine : sine, j, k >> 1));
}

/** [re, im] to [re cosine - im sine, re sine + im cosine]: `[2n, 2 frequencies]`. */
function fromComplex({ cosine, sine }: DftMatrix): ConstantMatrix {
  const { rows, columns } = cosine;
  return constantMatrix(2 * rows, 2 * columns, (j, k) => {
    const [fromImaginary, toImaginary] = [j >= rows, k >= columns];
    const value = at(fromImaginary === toImaginary ? cosine : sine, j % rows, k % columns);
    return fromImaginary && !toImaginary ? -value : value;
  });
}
