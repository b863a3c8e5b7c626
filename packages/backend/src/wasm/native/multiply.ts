import { type NativeLibrary, WORTH_SHARING } from './library';

/** A batch of matrices: the address of the first, and the distances of their steps in bytes. */
type Matrices = { readonly at: number; readonly batch: number; readonly row: number; readonly column: number };

/** What `gemm` of assembly/gemm.ts takes: `batch` products C = A B of `m` x `k` by `k` x `n`. */
export type Multiplication = {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Matrices;
  readonly b: Matrices;
  readonly c: Matrices;
  /** Add to what is in C instead of replacing it. */
  readonly accumulate?: boolean;
};

/** Rows of A that a kernel works on at a time. */
const ROWS = 64;

/** Runs matrix products, shared among the threads by matrices, else by rows, else by columns. */
export function multiply(native: NativeLibrary, { batch, m, n, k, a, b, c, accumulate }: Multiplication): void {
  const whole = (size: number) => [[0, size] as const];
  const matrices = native.parts(batch, 1, WORTH_SHARING / (m * n * k));
  const isFew = matrices.length < native.threads && batch * m * n * k > 2 * WORTH_SHARING;
  const rows = isFew ? native.parts(m, 4, Math.max(ROWS, WORTH_SHARING / (n * k))) : whole(m);
  const columns = isFew && matrices.length * rows.length < native.threads ? native.parts(n, 8) : whole(n);
  const tasks = matrices.flatMap(([first, last]) =>
    rows.flatMap(([top, bottom]) =>
      columns.map(([left, right]) => [
        ...[last - first, bottom - top, right - left, k],
        ...[a.at + first * a.batch + top * a.row, a.batch, a.row, a.column],
        ...[b.at + first * b.batch + left * b.column, b.batch, b.row, b.column],
        ...[c.at + first * c.batch + top * c.row + left * c.column, c.batch, c.row, c.column],
        Number(accumulate === true),
      ]),
    ),
  );
  native.run('gemm', tasks);
}
