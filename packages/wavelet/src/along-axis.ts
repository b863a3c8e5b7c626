import { dispatch } from '@sd/core';
import type { NamedAttrMap, Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { AxisOperator } from './axis-operator';

/**
 * A kernel name that a backend may register: {x `[outer, columns, inner]`} with the attributes of an operator
 * {rows, columns, starts, indices, weights} (see `AxisOperator`) -> `[outer, rows, inner]`.
 */
export const SPARSE_ROWS_KERNEL = 'SparseRows';

/**
 * Applies an operator along the middle axis. Differentiable any number of times: the gradient is the transpose.
 * @param x `[outer, columns, inner]`. Borrowed. @returns `[outer, rows, inner]`. Owned by the caller.
 */
export function alongAxis(x: Tensor3D, operator: AxisOperator): Tensor3D {
  return differentiable(x, operator) as Tensor3D;
}

const differentiable = (input: Tensor, operator: AxisOperator): Tensor =>
  tf.customGrad((x) => {
    const signal = x as Tensor3D;
    const { rows, columns, starts, indices, weights } = operator;
    const attributes = { rows, columns, starts, indices, weights } as unknown as NamedAttrMap;
    const [value] = dispatch(SPARSE_ROWS_KERNEL, { x: signal }, attributes, () => blockProducts(signal, operator));
    return { value, gradFunc: (dy: Tensor) => alongAxis(dy as Tensor3D, operator.transposed) };
  })(input);

/** Rows of one block, and how many unused columns a slice bridges. */
const BLOCK = 64;

/**
 * A matrix product per block of rows, with the columns that the block touches. So the work grows with the length of
 * the signal and not with its square, as that of one dense product would; up to about 130 samples it is one product.
 */
function blockProducts(x: Tensor3D, operator: AxisOperator): Tensor3D {
  const [outer, , inner] = x.shape;
  const products: Tensor3D[] = [];
  for (let first = 0; first < operator.rows; first += BLOCK) {
    const last = Math.min(first + BLOCK, operator.rows);
    const ranges = touchedRanges(operator, first, last);
    const windows = ranges.map(([from, to]) =>
      from === 0 && to === operator.columns ? x : tf.slice(x, [0, from, 0], [outer, to - from, inner]),
    );
    const window = windows.length === 1 ? windows[0] : tf.concat(windows, 1); // [outer, touched, inner]
    products.push(tf.matMul(denseBlock(operator, first, last, ranges), window)); // [outer, last - first, inner]
  }
  return products.length === 1 ? products[0] : tf.concat(products, 1);
}

type Range = readonly [from: number, to: number];

/** The columns that rows [first, last) touch, as few and as short ranges. */
function touchedRanges({ starts, indices }: AxisOperator, first: number, last: number): Range[] {
  const touched = [...new Set(indices.subarray(starts[first], starts[last]))].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const column of touched) {
    const range = ranges.at(-1);
    if (range && column - range[1] <= BLOCK) range[1] = column + 1;
    else ranges.push([column, column + 1]);
  }
  return ranges.length > 0 ? ranges : [[0, 1]];
}

/** Rows [first, last) of the matrix, its columns those of the ranges: `[1, last - first, touched]`. */
function denseBlock(operator: AxisOperator, first: number, last: number, ranges: readonly Range[]): Tensor3D {
  const { starts, indices, weights, columns } = operator;
  const position = new Int32Array(columns);
  let touched = 0;
  for (const [from, to] of ranges) {
    for (let column = from; column < to; column++) position[column] = touched++;
  }
  const data = new Float32Array((last - first) * touched);
  for (let i = first; i < last; i++) {
    for (let k = starts[i]; k < starts[i + 1]; k++) data[(i - first) * touched + position[indices[k]]] = weights[k];
  }
  return tf.tensor3d(data, [1, last - first, touched]);
}
