import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type DftMatrix, dftMatrix } from './dft-matrix';
import { multiplyLastAxis } from './multiply-last-axis';
import { axisScale, type FftNorm } from './norm';

/** A complex signal or spectrum: real and imaginary part, of one shape, each `[N, H, W, C]`. */
export type ComplexTensor = { readonly re: Tensor4D; readonly im: Tensor4D };

type ComplexPlanes = { readonly re: Tensor; readonly im: Tensor };

export type FourierPlanesOptions = {
  readonly norm: FftNorm;
  readonly sign: 1 | -1;
  /** Horizontal frequencies that are kept, the first ones. Default: all W. */
  readonly columns?: number;
};

/**
 * The 2-D DFT of a real or complex signal, in the layout in which it is cheapest: the vertical frequency innermost.
 * Each axis is transformed where it is contiguous, by multiplication with constants.
 *
 * @param x `[N, H, W, C]`, or a pair of them. Borrowed.
 * @returns `{ re, im }`, each `[N, C, columns, H]`. Owned by the caller.
 */
export function fourierPlanes(
  x: Tensor4D | ComplexTensor,
  { norm, sign, columns }: FourierPlanesOptions,
): ComplexTensor {
  const [n, h, w, c] = ('re' in x ? x.re : x).shape;
  const m = columns ?? w;
  return tf.tidy(() => {
    const horizontal = dftMatrix(w, { frequencies: m, sign, scale: axisScale(norm, w, sign) });
    const vertical = dftMatrix(h, { sign, scale: axisScale(norm, h, sign) });
    const planes = (t: Tensor4D) => tf.transpose(t, [0, 3, 1, 2]); // [N, C, H, W]
    const rows =
      're' in x
        ? multiplyComplex({ re: planes(x.re), im: planes(x.im) }, horizontal)
        : multiplyReal(planes(x), horizontal); // [N, C, H, M]
    // On WASM two axes are swapped ten times faster in a tensor of rank 3 than between others in one of rank 4.
    const turned = (t: Tensor) => tf.transpose(tf.reshape(t, [n * c, h, m]), [0, 2, 1]); // [NC, M, H]
    const { re, im } = multiplyComplex({ re: turned(rows.re), im: turned(rows.im) }, vertical); // [NC, M, H]
    return { re: tf.reshape(re, [n, c, m, h]), im: tf.reshape(im, [n, c, m, h]) };
  });
}

/** `[N, C, W, H]` planes as `[N, H, W, C]`. Borrowed; the result is owned by the caller. */
export function planesToImages({ re, im }: ComplexTensor): ComplexTensor {
  return { re: tf.transpose(re, [0, 3, 2, 1]), im: tf.transpose(im, [0, 3, 2, 1]) };
}

// One product for each part of matrix and signal, not one of [re, im] with a block matrix: as many operations, and the
// parts need not be cut out of the result, which on WASM costs as much as the product.

function multiplyReal(x: Tensor, { cosine, sine }: DftMatrix): ComplexPlanes {
  return { re: multiplyLastAxis(x, cosine), im: multiplyLastAxis(x, sine) };
}

function multiplyComplex({ re, im }: ComplexPlanes, { cosine, sine }: DftMatrix): ComplexPlanes {
  return {
    re: tf.sub(multiplyLastAxis(re, cosine), multiplyLastAxis(im, sine)),
    im: tf.add(multiplyLastAxis(im, cosine), multiplyLastAxis(re, sine)),
  };
}
