/** Side of the tiles of `target` that stay in the first-level cache while the rows pass. */
const TILE = 64;

/**
 * target += factor X^T X, on the diagonal and below it only; what lies above is not touched.
 *
 * The work is done tile by tile and four rows at a time: one load and one store of an element of `target` for four
 * multiplications, without which the loop would wait for memory.
 *
 * @param target `[n, n]`, row-major. Changed.
 * @param rows X, `[count, n]`, row-major.
 */
export function addGram(target: Float64Array, n: number, rows: Float64Array, count: number, factor: number): void {
  for (let top = 0; top < n; top += TILE) {
    const bottom = Math.min(top + TILE, n);
    for (let left = 0; left <= top; left += TILE) {
      const right = Math.min(left + TILE, n);
      let r = 0;
      for (; r + 4 <= count; r += 4) {
        const [r0, r1, r2, r3] = [r * n, (r + 1) * n, (r + 2) * n, (r + 3) * n];
        for (let i = top; i < bottom; i++) {
          const [x0, x1] = [factor * rows[r0 + i]!, factor * rows[r1 + i]!];
          const [x2, x3] = [factor * rows[r2 + i]!, factor * rows[r3 + i]!];
          const end = Math.min(right, i + 1);
          for (let j = left, at = i * n + left; j < end; j++, at++) {
            target[at]! += x0 * rows[r0 + j]! + x1 * rows[r1 + j]! + (x2 * rows[r2 + j]! + x3 * rows[r3 + j]!);
          }
        }
      }
      for (; r < count; r++) {
        for (let i = top; i < bottom; i++) {
          const x = factor * rows[r * n + i]!;
          const end = Math.min(right, i + 1);
          for (let j = left, at = i * n + left; j < end; j++, at++) target[at]! += x * rows[r * n + j]!;
        }
      }
    }
  }
}

/** Copies what lies below the diagonal of a row-major `[n, n]` to above it. */
export function mirrorLower(matrix: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) matrix[j * n + i] = matrix[i * n + j]!;
}
