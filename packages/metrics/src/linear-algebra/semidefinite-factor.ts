import { addGram } from './add-gram';

/** U with S = U^T U. */
export type SemidefiniteFactor = {
  /** Numerical rank of S: the number of rows of U. */
  readonly rank: number;
  /** `[rank, n]`, row-major. */
  readonly values: Float64Array;
};

/** Rows of U that are gathered before the rest of S is brought up to date. */
const BLOCK = 64;

/**
 * A factor of a symmetric positive semidefinite matrix, by Cholesky's method with complete pivoting (Higham, Accuracy
 * and Stability of Numerical Algorithms, sec. 10.3): each step takes the column of the largest remaining diagonal
 * element, and the rank is known when what remains is rounding, n epsilon times the largest diagonal element. A matrix
 * of the covariance of fewer samples than dimensions has no other Cholesky factor.
 *
 * @param matrix S, `[n, n]`, row-major. Borrowed.
 */
export function semidefiniteFactor(matrix: Float64Array, n: number): SemidefiniteFactor {
  const rest = matrix.slice(); // S minus the finished blocks of U^T U, on and below the diagonal
  const diagonal = Float64Array.from({ length: n }, (_, i) => matrix[i * n + i]!);
  const smallest = n * Number.EPSILON * diagonal.reduce((a, b) => Math.max(a, b), 0);
  const values = new Float64Array(n * n);
  let rank = 0;
  let blockStart = 0;
  for (; rank < n; rank++) {
    let pivot = 0;
    for (let j = 1; j < n; j++) if (diagonal[j]! > diagonal[pivot]!) pivot = j;
    if (!(diagonal[pivot]! > smallest)) break;
    if (rank - blockStart === BLOCK) {
      addGram(rest, n, values.subarray(blockStart * n, rank * n), BLOCK, -1);
      blockStart = rank;
    }
    const row = values.subarray(rank * n, (rank + 1) * n);
    for (let j = 0; j < n; j++) row[j] = j <= pivot ? rest[pivot * n + j]! : rest[j * n + pivot]!;
    for (let i = blockStart; i < rank; i++) {
      const factor = values[i * n + pivot]!;
      for (let j = 0, at = i * n; j < n; j++, at++) row[j]! -= factor * values[at]!;
    }
    const root = Math.sqrt(diagonal[pivot]!);
    for (let j = 0; j < n; j++) {
      // Pivots of before have a diagonal of -Infinity: their columns of U are complete.
      row[j] = diagonal[j]! === Number.NEGATIVE_INFINITY ? 0 : row[j]! / root;
      diagonal[j]! -= row[j]! ** 2;
    }
    row[pivot] = root;
    diagonal[pivot] = Number.NEGATIVE_INFINITY;
  }
  return { rank, values: values.subarray(0, rank * n) };
}
