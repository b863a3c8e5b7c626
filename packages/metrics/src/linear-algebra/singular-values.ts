import { tridiagonalEigenvalues } from './tridiagonal-eigenvalues';

/**
 * Singular values of a matrix, in no order: Householder's reduction to an upper bidiagonal B (Golub and Kahan), then
 * the eigenvalues of the symmetric tridiagonal matrix of zero diagonal and off-diagonal d1, e1, d2, e2, ..., which are
 * +-sigma. Unlike the eigenvalues of A^T A, whose roots lose half the digits, each is right to a few epsilons of the
 * largest.
 *
 * @param matrix A, `[m, n]`, row-major. Borrowed. @returns min(m, n) values >= 0.
 */
export function singularValues(matrix: Float64Array, m: number, n: number): Float64Array {
  if (m < n) return singularValues(transposed(matrix, m, n), n, m);
  if (n === 0) return new Float64Array(0);
  const offDiagonal = bidiagonal(matrix.slice(), m, n);
  const eigenvalues = tridiagonalEigenvalues(new Float64Array(2 * n), offDiagonal);
  return eigenvalues
    .map(Math.abs)
    .sort()
    .filter((_, i) => i % 2 === 1); // each stands there twice
}

function transposed(matrix: Float64Array, m: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) result[j * m + i] = matrix[i * n + j]!;
  return result;
}

/**
 * @param a `[m, n]`, m >= n >= 1. Overwritten. @returns d1, e1, d2, e2, ..., dn of B = Q1^T A Q2.
 *
 * Step k removes column k below the diagonal by I - tau u u^T and row k right of the superdiagonal by I - pi v v^T. The
 * two updates of a row, and the product with v between them, happen while the row is in the cache.
 */
function bidiagonal(a: Float64Array, m: number, n: number): Float64Array {
  const result = new Float64Array(2 * n - 1);
  const [u, v, w] = [new Float64Array(m), new Float64Array(n), new Float64Array(n)];
  for (let k = 0; k < n; k++) {
    for (let i = k; i < m; i++) u[i] = a[i * n + k]!;
    const column = reflector(u, k, m);
    result[2 * k] = column.value;
    if (k === n - 1) break;

    // w = tau A^T u
    w.fill(0, k + 1);
    let i = k;
    for (; i + 4 <= m; i += 4) {
      const [u0, u1] = [column.tau * u[i]!, column.tau * u[i + 1]!];
      const [u2, u3] = [column.tau * u[i + 2]!, column.tau * u[i + 3]!];
      for (let j = k + 1, at = i * n + k + 1; j < n; j++, at++) {
        w[j]! += u0 * a[at]! + u1 * a[at + n]! + (u2 * a[at + 2 * n]! + u3 * a[at + 3 * n]!);
      }
    }
    for (; i < m; i++) {
      const ui = column.tau * u[i]!;
      for (let j = k + 1, at = i * n + k + 1; j < n; j++, at++) w[j]! += ui * a[at]!;
    }

    for (let j = k + 1; j < n; j++) v[j] = a[k * n + j]! - u[k]! * w[j]!;
    const row = reflector(v, k + 1, n);
    result[2 * k + 1] = row.value;

    const [wRight, vRight] = [w.subarray(k + 1), v.subarray(k + 1)];
    for (i = k + 1; i < m; i++) updateRow(a.subarray(i * n + k + 1, (i + 1) * n), u[i]!, wRight, vRight, row.tau);
  }
  return result;
}

/** row -= ui w^T, then row -= pi (row v) v^T. Four sums at a time: one would wait for each addition. */
function updateRow(row: Float64Array, ui: number, w: Float64Array, v: Float64Array, pi: number): void {
  const n = row.length;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    const x0 = row[j]! - ui * w[j]!;
    const x1 = row[j + 1]! - ui * w[j + 1]!;
    const x2 = row[j + 2]! - ui * w[j + 2]!;
    const x3 = row[j + 3]! - ui * w[j + 3]!;
    row[j] = x0;
    row[j + 1] = x1;
    row[j + 2] = x2;
    row[j + 3] = x3;
    s0 += x0 * v[j]!;
    s1 += x1 * v[j + 1]!;
    s2 += x2 * v[j + 2]!;
    s3 += x3 * v[j + 3]!;
  }
  for (; j < n; j++) {
    row[j]! -= ui * w[j]!;
    s0 += row[j]! * v[j]!;
  }
  const product = pi * (s0 + s1 + (s2 + s3));
  for (j = 0; j < n; j++) row[j]! -= product * v[j]!;
}

/**
 * Householder's reflection of x[start, end) to a multiple of the first unit vector. x becomes u, with u[start] = 1.
 * @returns that multiple, and tau of I - tau u u^T.
 */
function reflector(x: Float64Array, start: number, end: number): { readonly value: number; readonly tau: number } {
  let largest = 0;
  for (let i = start + 1; i < end; i++) largest = Math.max(largest, Math.abs(x[i]!));
  const first = x[start]!;
  x[start] = 1;
  if (largest === 0) return { value: first, tau: 0 };
  largest = Math.max(largest, Math.abs(first));
  let squares = (first / largest) ** 2;
  for (let i = start + 1; i < end; i++) squares += (x[i]! / largest) ** 2;
  const norm = largest * Math.sqrt(squares);
  const value = first > 0 ? -norm : norm; // first - value does not cancel
  for (let i = start + 1; i < end; i++) x[i]! /= first - value;
  return { value, tau: (value - first) / value };
}
