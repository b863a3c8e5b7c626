import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** A coefficient and its tensor. */
export type Term = readonly [number, Tensor];

/**
 * sum_i c_i x_i, leaving out what is multiplied by 0, and multiplications by 1.
 * @param terms tensors of one shape, at least one. Borrowed. @returns a new tensor; call it in a tidy.
 */
export function linearCombination(...terms: readonly Term[]): Tensor {
  const scaled = terms
    .filter(([coefficient]) => coefficient !== 0)
    .map(([coefficient, x]) => (coefficient === 1 ? x : tf.mul(x, coefficient)));
  if (scaled.length === 0) return tf.zerosLike(terms[0][1]);
  const sum = scaled.reduce((total, x) => tf.add(total, x));
  return terms.some(([, x]) => x === sum) ? tf.clone(sum) : sum;
}

// Beyond this many multiplications and additions a product of matrices is cheaper: it is three dispatches, whatever the
// number of terms and of results.
const DISPATCHES_OF_A_PRODUCT = 3;

/**
 * Several linear combinations of the same tensors: y_r = sum_c rows[r][c] x_c. Every step of a sampler is one of these,
 * so that a fused kernel has one place to go.
 * @param tensors of one shape, at least one. Borrowed. @returns new tensors, one per row; call it in a tidy.
 */
export function linearCombinations(rows: readonly (readonly number[])[], tensors: readonly Tensor[]): Tensor[] {
  const isCopy = (row: readonly number[]) => {
    const used = row.filter((coefficient) => coefficient !== 0);
    return used.length === 0 || (used.length === 1 && used[0] === 1);
  };
  const summed = rows.filter((row) => !isCopy(row));
  const dispatches = summed.reduce((total, row) => total + countDispatches(row), 0);
  const termsOf = (row: readonly number[]) => tensors.map((tensor, column): Term => [row[column], tensor]);
  if (dispatches <= DISPATCHES_OF_A_PRODUCT) return rows.map((row) => linearCombination(...termsOf(row)));
  const products = matrixProduct(summed, tensors);
  return rows.map((row) => (isCopy(row) ? linearCombination(...termsOf(row)) : (products.shift() as Tensor)));
}

function countDispatches(row: readonly number[]): number {
  const used = row.filter((coefficient) => coefficient !== 0);
  return used.filter((coefficient) => coefficient !== 1).length + used.length - 1;
}

/** The rows, as a matrix, times the tensors, as the rows of another: one after the other along the first axis. */
function matrixProduct(rows: readonly (readonly number[])[], tensors: readonly Tensor[]): Tensor[] {
  const columns = tensors.map((_, column) => column).filter((column) => rows.some((row) => row[column] !== 0));
  const used = columns.map((column) => tensors[column]);
  const { shape, size } = used[0];
  const coefficients = tf.tensor2d(
    rows.flatMap((row) => columns.map((column) => row[column])),
    [rows.length, columns.length],
  ); // [R, C]
  const values = tf.reshape(tf.concat(used.map(atLeast1d), 0), [columns.length, size]); // [C, N]
  const product = tf.matMul(coefficients, values as tf.Tensor2D); // [R, N]
  if (rows.length === 1) return [tf.reshape(product, shape)];
  if (shape.length === 0) return tf.unstack(tf.reshape(product, [rows.length]));
  const [batch, ...features] = shape;
  return tf.split(tf.reshape(product, [rows.length * batch, ...features]), rows.length, 0);
}

function atLeast1d(x: Tensor): Tensor {
  return x.rank === 0 ? tf.reshape(x, [1]) : x;
}
