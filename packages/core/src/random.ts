import type { Rank, ShapeMap, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkInteger } from './checks';
import { ArgumentError } from './errors';
import { threefry2x32 } from './threefry';

/**
 * The key of a random stream. Keys are values: the same key gives the same numbers, on every machine and backend, and
 * there is no hidden state to save. New streams come from `foldIn`, as in JAX.
 */
export type RandomKey = { readonly words: readonly [number, number] };

/** @param seed an integer in [0, 2^53). @throws {ArgumentError} otherwise. */
export function randomKey(seed: number): RandomKey {
  checkInteger('randomKey', 'seed', seed, 0);
  return { words: [Math.floor(seed / 2 ** 32) >>> 0, seed >>> 0] };
}

/** Derives an independent key from a key and an integer or a name (a step, `'noise'`, a parameter's dotted name). */
export function foldIn(key: RandomKey, data: number | string): RandomKey {
  if (typeof data === 'number') {
    checkInteger('foldIn', 'data', data, 0);
    return { words: threefry2x32(key.words, [Math.floor(data / 2 ** 32) >>> 0, data >>> 0]) };
  }
  let folded = foldIn(key, data.length);
  for (const character of data) {
    folded = { words: threefry2x32(folded.words, [0, character.codePointAt(0) as number]) };
  }
  return folded;
}

/**
 * Uniform random numbers in [low, high), with 32 random bits each.
 * @returns `count` float64 values. @throws {ArgumentError} unless count is an integer >= 0.
 */
export function uniformArray(key: RandomKey, count: number, low = 0, high = 1): Float64Array {
  checkInteger('uniformArray', 'count', count, 0);
  const values = new Float64Array(count);
  const scale = (high - low) / 2 ** 32;
  for (let i = 0; i < count; i += 2) {
    const [a, b] = threefry2x32(key.words, [0, i / 2]);
    values[i] = low + scale * a;
    if (i + 1 < count) values[i + 1] = low + scale * b;
  }
  return values;
}

/**
 * Standard normal random numbers by the Box-Muller transform of 32-bit uniforms, computed in float64.
 * @returns `count` float64 values. @throws {ArgumentError} unless count is an integer >= 0.
 */
export function normalArray(key: RandomKey, count: number): Float64Array {
  checkInteger('normalArray', 'count', count, 0);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const [a, b] = threefry2x32(key.words, [0, i / 2]);
    const radius = Math.sqrt(-2 * Math.log((a + 0.5) / 2 ** 32)); // the half keeps log away from 0
    const angle = (2 * Math.PI * b) / 2 ** 32;
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/**
 * Random integers in [0, bound).
 * @throws {ArgumentError} unless bound is an integer in [1, 2^32]; the bias of the reduction is below bound / 2^32.
 */
export function integerArray(key: RandomKey, count: number, bound: number): Int32Array {
  checkInteger('integerArray', 'bound', bound);
  if (bound > 2 ** 31) throw new ArgumentError('integerArray', 'bound', 'at most 2^31', bound);
  return Int32Array.from(uniformArray(key, count), (u) => Math.floor(u * bound));
}

/** A random order of 0..count-1 (Fisher-Yates). */
export function permutation(key: RandomKey, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const draws = uniformArray(key, count);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(draws[i] * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Standard normal tensor, float32. Owned by the caller. The values do not depend on the backend. */
export function normal<R extends Rank>(key: RandomKey, shape: ShapeMap[R]): Tensor<R> {
  return tf.tensor(Float32Array.from(normalArray(key, sizeOf(shape))), shape);
}

/** Uniform tensor in [low, high), float32. Owned by the caller. The values do not depend on the backend. */
export function uniform<R extends Rank>(key: RandomKey, shape: ShapeMap[R], low = 0, high = 1): Tensor<R> {
  return tf.tensor(Float32Array.from(uniformArray(key, sizeOf(shape), low, high)), shape);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}
