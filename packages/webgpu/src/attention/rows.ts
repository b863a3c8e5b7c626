import type { TensorInfo } from '@tensorflow/tfjs-core';
import { i32x4 } from '../program';

/** Where rows of heads lie: row t of head h of image n begins at `offset + n image + h head + t row`, in values. */
export type RowsLayout = {
  readonly count: number;
  /** Values of a row. */
  readonly columns: number;
  readonly offset: number;
  readonly image: number;
  readonly head: number;
  readonly row: number;
};

/** Rows of heads in a tensor. */
export type Rows = RowsLayout & { readonly tensor: TensorInfo };

/** Of `[N, heads, T, D]`. */
export function separate(shape: readonly number[]): RowsLayout {
  const [, heads, count, columns] = shape as [number, number, number, number];
  return { count, columns, offset: 0, image: heads * count * columns, head: count * columns, row: columns };
}

/** One of the parts that lie side by side for each head: of `[N, T, heads parts D]`. */
export function packed(count: number, heads: number, columns: number, part = 0, parts = 1): RowsLayout {
  const row = heads * parts * columns;
  return { count, columns, offset: part * columns, image: count * row, head: parts * columns, row };
}

/** A uniform `place_NAME` of `basesOf` and the row stride. */
export const placeOf = ({ offset, image, head, row }: RowsLayout) => i32x4(offset, image, head, row);

/** WGSL: where the rows of the head and image `pair`, one of N heads, begin; row t is at `base_NAME + t place_NAME.w`. */
export const baseOf = (name: string, pair: string) =>
  `uniforms.place_${name}.x + ${pair} / uniforms.heads * uniforms.place_${name}.y + ${pair} % uniforms.heads * uniforms.place_${name}.z`;

/** Whether all rows, and so all fours of their values, begin at multiples of four. */
export const isInFours = ({ columns, offset, image, head, row }: RowsLayout) =>
  [columns, offset, image, head, row].every((each) => each % 4 === 0);

/** Each tensor once, however many rows are made of it: shader inputs, and the name of the one that rows lie in. */
export function tensorsOf(rows: Readonly<Record<string, Rows>>) {
  const names = new Map(
    Object.entries(rows).map(([name, { tensor }]) => [tensor.dataId, { name: `x_${name}`, tensor }]),
  );
  return {
    inputs: Object.fromEntries([...names.values()].map(({ name, tensor }) => [name, tensor])),
    sourceOf: ({ tensor }: Rows) => names.get(tensor.dataId)?.name as string,
  };
}
