/** Sweeps for one eigenvalue; two are usual. */
const MAX_SWEEPS = 60;

/**
 * Eigenvalues of a symmetric tridiagonal matrix, in no order, by QL with implicit Wilkinson shifts (Golub and Van Loan,
 * Matrix Computations, sec. 8.3). O(n^2).
 *
 * @param diagonal n values. Borrowed. @param offDiagonal n - 1 values. Borrowed.
 * @throws {Error} where an eigenvalue does not converge, which happens for values that are not finite.
 */
export function tridiagonalEigenvalues(diagonal: Float64Array, offDiagonal: Float64Array): Float64Array {
  const n = diagonal.length;
  const d = diagonal.slice();
  const e = new Float64Array(n);
  e.set(offDiagonal.subarray(0, n - 1));
  let scale = 0; // norm of the matrix: what is below epsilon of it is zero
  for (let i = 0; i < n; i++) scale = Math.max(scale, Math.abs(d[i]!) + Math.abs(e[i]!));
  const negligible = (i: number) => {
    const size = Math.abs(e[i]!);
    return size <= Number.EPSILON * (Math.abs(d[i]!) + Math.abs(d[i + 1]!)) || size <= Number.EPSILON ** 2 * scale;
  };
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (m < n - 1 && !negligible(m)) m++;
      if (m === l) break;
      if (sweep === MAX_SWEEPS) throw new Error('tridiagonalEigenvalues: no convergence');
      const halfGap = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      const shift = d[l]! - e[l]! / (halfGap + Math.sign(halfGap || 1) * Math.hypot(halfGap, 1));
      sweepQl(d, e, l, m, shift);
    }
  }
  return d;
}

/** One sweep of plane rotations from row m up to row l. */
function sweepQl(d: Float64Array, e: Float64Array, l: number, m: number, shift: number): void {
  let g = d[m]! - shift;
  let sine = 1;
  let cosine = 1;
  let moved = 0;
  for (let i = m - 1; i >= l; i--) {
    const f = sine * e[i]!;
    const b = cosine * e[i]!;
    const length = Math.hypot(f, g);
    e[i + 1] = length;
    if (length === 0) {
      // The matrix splits here.
      d[i + 1]! -= moved;
      e[m] = 0;
      return;
    }
    sine = f / length;
    cosine = g / length;
    g = d[i + 1]! - moved;
    const r = (d[i]! - g) * sine + 2 * cosine * b;
    moved = sine * r;
    d[i + 1] = g + moved;
    g = cosine * r - b;
  }
  d[l]! -= moved;
  e[l] = g;
  e[m] = 0;
}
