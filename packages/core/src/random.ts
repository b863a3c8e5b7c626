import type { Rank, ShapeMap, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkInteger } from './checks';
import { dispatch } from './dispatch';
import { ArgumentError } from './errors';
import { threefry2x32, threefryWords } from './threefry';

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

// High words of the counters that foldIn uses: numbers (below 2^21 in the low bits), lengths and characters of names.
// The draws of a stream have the high word 0, so that no two uses of a key ever share a counter.
const FOLD_NUMBER = 0x80000000;
const FOLD_LENGTH = 0xc0000000;
const FOLD_CHARACTER = 0xc0000001;

/**
 * Derives an independent key from a key and an integer or a name (a step, `'noise'`, a parameter's dotted name).
 * @param data an integer in [0, 2^53), or any string. @throws {ArgumentError} otherwise.
 */
export function foldIn(key: RandomKey, data: number | string): RandomKey {
  if (typeof data === 'number') {
    checkInteger('foldIn', 'data', data, 0);
    return { words: threefry2x32(key.words, [FOLD_NUMBER + Math.floor(data / 2 ** 32), data >>> 0]) };
  }
  let words = threefry2x32(key.words, [FOLD_LENGTH, data.length]);
  for (const character of data) {
    words = threefry2x32(words, [FOLD_CHARACTER, character.codePointAt(0) as number]);
  }
  return { words };
}

/**
 * Uniform random numbers in [low, high), with 32 random bits each.
 * @returns `count` float64 values. @throws {ArgumentError} unless count is an integer >= 0.
 */
export function uniformArray(key: RandomKey, count: number, low = 0, high = 1): Float64Array {
  checkInteger('uniformArray', 'count', count, 0);
  const words = threefryWords(key.words, count);
  const values = new Float64Array(count);
  const scale = (high - low) / 2 ** 32;
  for (let i = 0; i < count; i++) values[i] = low + scale * words[i]; // several times as fast as a mapping
  return values;
}

/**
 * Standard normal random numbers by the Box-Muller transform of 32-bit uniforms, computed in float64.
 * @returns `count` float64 values. @throws {ArgumentError} unless count is an integer >= 0.
 */
export function normalArray(key: RandomKey, count: number): Float64Array {
  checkInteger('normalArray', 'count', count, 0);
  const values = new Float64Array(count);
  const words = threefryWords(key.words, count + (count % 2));
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((words[i] + 0.5) / 2 ** 32)); // the half keeps log away from 0
    const angle = (2 * Math.PI * words[i + 1]) / 2 ** 32;
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/**
 * Random integers in [0, bound).
 * @returns `count` values, each with a probability within 2^-32 of 1 / bound.
 * @throws {ArgumentError} unless bound is an integer in [1, 2^31].
 */
export function integerArray(key: RandomKey, count: number, bound: number): Int32Array {
  checkInteger('integerArray', 'count', count, 0);
  checkInteger('integerArray', 'bound', bound);
  if (bound > 2 ** 31) throw new ArgumentError('integerArray', 'bound', 'at most 2^31', bound);
  return new Int32Array(uniformArray(key, count, 0, bound)); // conversion truncates
}

/** A random order of 0..count-1 (Fisher-Yates). @throws {ArgumentError} unless count is an integer >= 0. */
export function permutation(key: RandomKey, count: number): Int32Array {
  checkInteger('permutation', 'count', count, 0);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const draws = uniformArray(key, count);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(draws[i] * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Kernel name that a backend may register: {} with {words, shape} -> what `normal` gives for the key of these words. */
export const THREEFRY_NORMAL_KERNEL = 'ThreefryNormal';

/**
 * Standard normal tensor, float32. Owned by the caller. The values do not depend on the backend, except that one that
 * draws on its device (`THREEFRY_NORMAL_KERNEL`) rounds in float32: 1e-6.
 */
export function normal<R extends Rank>(key: RandomKey, shape: ShapeMap[R]): Tensor<R> {
  const size = checkedSize('normal', shape);
  const attributes = { words: [...key.words], shape: [...(shape as number[])] };
  const [tensor] = dispatch(THREEFRY_NORMAL_KERNEL, {}, attributes, () =>
    tf.tensor(new Float32Array(normalArray(key, size)), shape),
  );
  return tensor as Tensor<R>;
}

/**
 * Uniform tensor in [low, high), float32, with 24 random bits each: more would round up to `high`, which bounds other
 * than 0 and 1 still may, by the rounding of low + (high - low) u itself. Owned by the caller. The values do not depend
 * on the backend.
 */
export function uniform<R extends Rank>(key: RandomKey, shape: ShapeMap[R], low = 0, high = 1): Tensor<R> {
  const words = threefryWords(key.words, checkedSize('uniform', shape));
  const values = new Float32Array(words.length);
  const scale = (high - low) / 2 ** 24;
  for (let i = 0; i < words.length; i++) values[i] = low + scale * (words[i] >>> 8);
  return tf.tensor(values, shape);
}

function checkedSize(operation: string, shape: readonly number[]): number {
  for (const dimension of shape) checkInteger(operation, 'shape', dimension, 0);
  return shape.reduce((size, dimension) => size * dimension, 1);
}
