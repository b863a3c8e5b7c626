/** A row of a matrix: its entries other than zero, by column. */
export type SparseRow = ReadonlyMap<number, number>;

/**
 * A sparse matrix that acts along one axis of a tensor, in compressed rows:
 * y[i] = sum of weights[k] x[indices[k]] for k from starts[i] to starts[i + 1].
 */
export class AxisOperator {
  /** `[rows + 1]` */
  readonly starts: Int32Array;
  /** Columns, ascending within a row. */
  readonly indices: Int32Array;
  readonly weights: Float32Array;
  readonly rows: number;
  #transposed: AxisOperator | undefined;

  constructor(
    rows: readonly SparseRow[],
    readonly columns: number,
  ) {
    this.rows = rows.length;
    const entries = rows.map((row) => [...row].sort(([a], [b]) => a - b));
    this.indices = Int32Array.from(entries.flatMap((row) => row.map(([column]) => column)));
    this.weights = Float32Array.from(entries.flatMap((row) => row.map(([, weight]) => weight)));
    this.starts = new Int32Array(rows.length + 1);
    for (const [i, row] of entries.entries()) this.starts[i + 1] = this.starts[i] + row.length;
  }

  /** The adjoint, made when it is first asked for. */
  get transposed(): AxisOperator {
    if (!this.#transposed) {
      const rows = Array.from({ length: this.columns }, () => new Map<number, number>());
      for (let i = 0; i < this.rows; i++) {
        for (let k = this.starts[i]; k < this.starts[i + 1]; k++) rows[this.indices[k]].set(i, this.weights[k]);
      }
      this.#transposed = new AxisOperator(rows, this.rows);
      this.#transposed.#transposed = this;
    }
    return this.#transposed;
  }
}
