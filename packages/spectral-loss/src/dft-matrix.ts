import { type ConstantMatrix, constantMatrix } from './constant-matrix';

export type DftMatrixOptions = {
  /** Number of frequencies that are kept, the first ones. Default: all `n`. */
  readonly frequencies?: number;
  /** Sign of the exponent: -1 for the DFT, +1 for its inverse. */
  readonly sign: 1 | -1;
  readonly scale: number;
};

/** Real and imaginary part of scale exp(sign 2 pi i j k / n), which act on row vectors: each `[n, frequencies]`. */
export type DftMatrix = { readonly cosine: ConstantMatrix; readonly sine: ConstantMatrix };

/** The DFT of length n as two real matrices. */
export function dftMatrix(n: number, { frequencies = n, sign, scale }: DftMatrixOptions): DftMatrix {
  // j k mod n is exact, so that large indices lose no digits in the argument.
  const cosine = Float64Array.from({ length: n }, (_, k) => scale * Math.cos((2 * Math.PI * k) / n));
  const sine = Float64Array.from({ length: n }, (_, k) => sign * scale * Math.sin((2 * Math.PI * k) / n));
  return {
    cosine: constantMatrix(n, frequencies, (j, k) => cosine[(j * k) % n]!),
    sine: constantMatrix(n, frequencies, (j, k) => sine[(j * k) % n]!),
  };
}
