/**
 * A B^T: the inner products of all rows of A with all rows of B, in blocks of 4 x 4 that share their loads.
 *
 * @param a `[m, n]`, row-major. @param b `[k, n]`, row-major. @returns `[m, k]`, row-major.
 */
export function rowProducts(a: Float64Array, m: number, b: Float64Array, k: number, n: number): Float64Array {
  const result = new Float64Array(m * k);
  const [mBlocked, kBlocked] = [m - (m % 4), k - (k % 4)];
  for (let i = 0; i < mBlocked; i += 4) {
    for (let j = 0; j < kBlocked; j += 4) productOf4x4(result, a, i, b, j, n, k);
  }
  for (let i = 0; i < m; i++) {
    for (let j = i < mBlocked ? kBlocked : 0; j < k; j++) {
      let sum = 0;
      for (let l = 0; l < n; l++) sum += a[i * n + l]! * b[j * n + l]!;
      result[i * k + j] = sum;
    }
  }
  return result;
}

function productOf4x4(
  result: Float64Array,
  a: Float64Array,
  i: number,
  b: Float64Array,
  j: number,
  n: number,
  k: number,
): void {
  const [a0, a1, a2, a3] = [i * n, (i + 1) * n, (i + 2) * n, (i + 3) * n];
  const [b0, b1, b2, b3] = [j * n, (j + 1) * n, (j + 2) * n, (j + 3) * n];
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s03 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s13 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  let s23 = 0;
  let s30 = 0;
  let s31 = 0;
  let s32 = 0;
  let s33 = 0;
  for (let l = 0; l < n; l++) {
    const x0 = a[a0 + l]!;
    const x1 = a[a1 + l]!;
    const x2 = a[a2 + l]!;
    const x3 = a[a3 + l]!;
    const y0 = b[b0 + l]!;
    const y1 = b[b1 + l]!;
    const y2 = b[b2 + l]!;
    const y3 = b[b3 + l]!;
    s00 += x0 * y0;
    s01 += x0 * y1;
    s02 += x0 * y2;
    s03 += x0 * y3;
    s10 += x1 * y0;
    s11 += x1 * y1;
    s12 += x1 * y2;
    s13 += x1 * y3;
    s20 += x2 * y0;
    s21 += x2 * y1;
    s22 += x2 * y2;
    s23 += x2 * y3;
    s30 += x3 * y0;
    s31 += x3 * y1;
    s32 += x3 * y2;
    s33 += x3 * y3;
  }
  const at = i * k + j;
  result.set([s00, s01, s02, s03], at);
  result.set([s10, s11, s12, s13], at + k);
  result.set([s20, s21, s22, s23], at + 2 * k);
  result.set([s30, s31, s32, s33], at + 3 * k);
}
