import * as tf from '@tensorflow/tfjs-core';

/** Anything whose numbers can be compared: a tensor, a typed array, a number, or arrays of these nested. */
export type Values = tf.Tensor | ArrayLike<number> | number | readonly Nested[];
type Nested = number | ArrayLike<number> | readonly Nested[];

export type FlatValues = {
  readonly data: ArrayLike<number>;
  /** Known for tensors and nested arrays; a flat list may be compared with any shape of the same size. */
  readonly shape: readonly number[] | null;
};

/** The numbers in row-major order; a promise for tensors only, which some backends cannot read at once. */
export function flatValues(values: Values): FlatValues | Promise<FlatValues> {
  if (values instanceof tf.Tensor) return values.data().then((data) => ({ data, shape: values.shape }));
  if (typeof values === 'number') return { data: [values], shape: null };
  if (ArrayBuffer.isView(values) || values.length === 0 || typeof values[0] === 'number') {
    return { data: values as ArrayLike<number>, shape: null };
  }
  return nestedValues(values as readonly Nested[]);
}

function nestedValues(values: readonly Nested[]): FlatValues {
  const rows = values.map((row): FlatValues => {
    if (typeof row === 'number') return { data: [row], shape: [] };
    if (ArrayBuffer.isView(row) || typeof row[0] !== 'object') {
      return { data: row as ArrayLike<number>, shape: [row.length] };
    }
    return nestedValues(row as readonly Nested[]);
  });
  const shapes = new Set(rows.map(({ shape }) => String(shape)));
  if (shapes.size > 1) throw new Error(`nested values are ragged: rows of shapes ${[...shapes].join(' and ')}`);
  return { data: rows.flatMap(({ data }) => Array.from(data)), shape: [rows.length, ...(rows[0]?.shape ?? [])] };
}
