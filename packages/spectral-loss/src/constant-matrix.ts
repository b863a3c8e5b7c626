/** A matrix of constants in row-major order. It lives on the CPU, so that nothing outlives a tidy. */
export type ConstantMatrix = {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
};

/** Fills a matrix from `element(row, column)`, computed in float64 and rounded once. */
export function constantMatrix(
  rows: number,
  columns: number,
  element: (row: number, column: number) => number,
): ConstantMatrix {
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) values[row * columns + column] = element(row, column);
  }
  return { rows, columns, values };
}

export function transposeMatrix({ rows, columns, values }: ConstantMatrix): ConstantMatrix {
  return constantMatrix(columns, rows, (row, column) => values[column * columns + row]!);
}
