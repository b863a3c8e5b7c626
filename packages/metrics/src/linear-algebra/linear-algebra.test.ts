import '@sd/testing';
import { normalArray, randomKey } from '@sd/core';
import { describe, expect, test } from 'vitest';
import { addGram, mirrorLower } from './add-gram';
import { rowProducts } from './row-products';
import { semidefiniteFactor } from './semidefinite-factor';
import { singularValues } from './singular-values';
import { tridiagonalEigenvalues } from './tridiagonal-eigenvalues';

const random = (seed: number, size: number) => normalArray(randomKey(seed), size);

function plainGram(rows: Float64Array, count: number, n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => {
    let sum = 0;
    for (let r = 0; r < count; r++) sum += rows[r * n + Math.floor(at / n)]! * rows[r * n + (at % n)]!;
    return sum;
  });
}

describe('addGram, mirrorLower', () => {
  test.each([
    [1, 1],
    [5, 3],
    [6, 65],
    [8, 130],
  ])('of %i rows of %i values is the plain sum', (count, n) => {
    const rows = random(1, count * n);
    const target = new Float64Array(n * n);
    addGram(target, n, rows, count, 1);
    addGram(target, n, rows, count, -0.5);
    mirrorLower(target, n);
    const expected = plainGram(rows, count, n).map((value) => value / 2);
    expect(target).toBeAllclose(expected, 1e-14);
  });

  test('addGram leaves what is above the diagonal', () => {
    const target = new Float64Array(9).fill(7);
    addGram(target, 3, Float64Array.of(1, 2, 3), 1, 1);
    expect([...target]).toEqual([8, 7, 7, 9, 11, 7, 10, 13, 16]);
  });
});

test.each([
  [4, 4, 8],
  [5, 7, 3],
  [3, 9, 1],
  [9, 2, 5],
])('rowProducts of %i and %i rows of %i values are the plain sums', (m, k, n) => {
  const [a, b] = [random(2, m * n), random(3, k * n)];
  const expected = Float64Array.from({ length: m * k }, (_, at) => {
    let sum = 0;
    for (let l = 0; l < n; l++) sum += a[Math.floor(at / k) * n + l]! * b[(at % k) * n + l]!;
    return sum;
  });
  expect(rowProducts(a, m, b, k, n)).toBeAllclose(expected, 1e-14);
});

describe('semidefiniteFactor', () => {
  test.each([
    [1, 1, 1],
    [12, 12, 12],
    [150, 150, 150], // several blocks
    [150, 100, 100],
    [40, 3, 3],
    [40, 0, 0],
  ])('of a %i x %i matrix of rank %i finds the rank and gives the matrix back', (n, rows, rank) => {
    const values = random(4, rows * n);
    const matrix = plainGram(values, rows, n);
    const before = matrix.slice();
    const factor = semidefiniteFactor(matrix, n);
    expect(matrix).toEqual(before);
    expect(factor.rank).toBe(rank);
    expect(plainGram(factor.values, rank, n)).toBeAllclose(matrix, { relative: 1e-12, absolute: 1e-300 });
  });
});

describe('singularValues', () => {
  /** U diag(s) V^T with orthogonal U and V of Householder reflections. */
  function withSingularValues(s: readonly number[], m: number, n: number): Float64Array {
    const matrix = new Float64Array(m * n);
    for (const [i, value] of s.entries()) matrix[i * n + i] = value;
    for (let round = 0; round < 3; round++) {
      const [u, v] = [random(10 + round, m), random(20 + round, n)];
      const [uu, vv] = [u.reduce((a, b) => a + b * b, 0), v.reduce((a, b) => a + b * b, 0)];
      for (let j = 0; j < n; j++) {
        let product = 0;
        for (let i = 0; i < m; i++) product += u[i]! * matrix[i * n + j]!;
        for (let i = 0; i < m; i++) matrix[i * n + j]! -= (2 * product * u[i]!) / uu;
      }
      for (let i = 0; i < m; i++) {
        let product = 0;
        for (let j = 0; j < n; j++) product += v[j]! * matrix[i * n + j]!;
        for (let j = 0; j < n; j++) matrix[i * n + j]! -= (2 * product * v[j]!) / vv;
      }
    }
    return matrix;
  }

  test.each([
    [[3], 1, 1],
    [[5, 2], 2, 2],
    [[4, 1e-3, 1e-9, 0], 9, 4],
    [[7, 7, 7, 1, 1, 0, 0], 7, 11],
    [Array.from({ length: 40 }, (_, i) => 2 ** -i), 53, 40],
    [[0, 0, 0], 3, 3],
    [[1e200, 1e190], 4, 2],
    [[1e-200, 1e-205], 2, 5],
  ])('are those that the matrix was made of: %j, %i x %i', (s, m, n) => {
    const matrix = withSingularValues(s, m, n);
    const before = matrix.slice();
    const found = singularValues(matrix, m, n).sort().reverse();
    expect(matrix).toEqual(before);
    expect(found).toBeAllclose(s, 1e-14);
  });

  test('small ones are right to the precision of the largest, not to its root', () => {
    const found = singularValues(withSingularValues([1, 1e-10], 6, 2), 6, 2).sort();
    expect(Math.abs(found[0]! - 1e-10)).toBeLessThan(1e-15);
  });

  test('of an empty matrix are none', () => {
    expect(singularValues(new Float64Array(0), 0, 5)).toHaveLength(0);
  });
});

describe('tridiagonalEigenvalues', () => {
  test('of the second difference are 2 - 2 cos(pi k / (n + 1))', () => {
    const n = 50;
    const found = tridiagonalEigenvalues(new Float64Array(n).fill(2), new Float64Array(n - 1).fill(-1)).sort();
    const expected = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos((Math.PI * (k + 1)) / (n + 1)));
    expect(found).toBeAllclose(expected, 1e-14);
  });

  test('of a matrix that falls apart are those of the parts', () => {
    const found = tridiagonalEigenvalues(Float64Array.of(1, 2, 2, 5), Float64Array.of(0, 1, 0)).sort();
    expect(found).toBeAllclose([1, 1, 3, 5], 1e-14);
  });

  test('values that are not finite end with an error', () => {
    expect(() =>
      tridiagonalEigenvalues(Float64Array.of(1, 2), Float64Array.of(Number.NaN)),
    ).toThrowErrorMatchingInlineSnapshot(`[Error: tridiagonalEigenvalues: no convergence]`);
  });
});
