/** Solves a small square system A x = b by Gauss's elimination with partial pivoting. */
export function solveLinear(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    const candidates = rows.slice(column);
    const pivot = candidates.reduce((best, row) => (Math.abs(row[column]) > Math.abs(best[column]) ? row : best));
    const at = rows.indexOf(pivot);
    [rows[column], rows[at]] = [rows[at], rows[column]];
    for (const row of rows.slice(column + 1)) {
      const factor = row[column] / rows[column][column];
      for (let j = column; j <= size; j++) row[j] -= factor * rows[column][j];
    }
  }
  const x = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    const known = x.reduce((total, value, j) => (j > i ? total + rows[i][j] * value : total), 0);
    x[i] = (rows[i][size] - known) / rows[i][i];
  }
  return x;
}
