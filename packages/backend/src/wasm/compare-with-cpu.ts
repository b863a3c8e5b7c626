import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** What a test feeds to a function, independent of any backend. */
export type TestInput = {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
  readonly dtype?: 'float32' | 'int32' | 'bool';
};

type TestFunction = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
type Result = { readonly shape: readonly number[]; readonly dtype: string; readonly values: ArrayLike<number> };

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Floats in [-1, 1) of a shape, from a seed. */
export function randomInput(shape: readonly number[], seed = 1, scale = 1): TestInput {
  const random = uniform(seed * 7919 + shape.length);
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, values: Float32Array.from({ length: size }, () => (2 * random() - 1) * scale) };
}

/** Integers in [0, below) of a shape, from a seed. */
export function randomIndices(shape: readonly number[], below: number, seed = 1): TestInput {
  const random = uniform(seed * 104729 + shape.length);
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, dtype: 'int32', values: Int32Array.from({ length: size }, () => Math.floor(random() * below)) };
}

export async function wasmBackend(): Promise<BackendWasm> {
  await tf.setBackend('wasm');
  return tf.backend() as BackendWasm;
}

/** Fills every block that tfjs or a kernel allocates with NaN, so that an element nobody wrote shows. */
function poisonAllocations(backend: BackendWasm): () => void {
  const wasm = backend.wasm as BackendWasm['wasm'] & { _malloc(bytes: number): number; readonly HEAPU8: Uint8Array };
  const malloc = wasm._malloc;
  wasm._malloc = (bytes: number) => {
    const address = malloc(bytes);
    wasm.HEAPU8.fill(0xff, address >>> 0, (address >>> 0) + bytes);
    return address;
  };
  return () => {
    wasm._malloc = malloc;
  };
}

function run(f: TestFunction, inputs: readonly TestInput[]): Result[] {
  const outputs = tf.tidy(() => {
    const tensors = inputs.map(({ values, shape, dtype }) => tf.tensor(values, [...shape], dtype ?? 'float32'));
    const result = f(...tensors);
    return result instanceof tf.Tensor ? [result] : result;
  });
  const results = outputs.map((y) => ({ shape: y.shape, dtype: y.dtype, values: y.dataSync() }));
  tf.dispose(outputs);
  return results;
}

/**
 * Asserts that `f` gives on wasm what it gives on tfjs's cpu backend (relative to the largest value of each output),
 * twice the same bits, with every element written, and without leaving a tensor or a data id behind.
 */
export async function expectSameAsCpu(
  f: TestFunction,
  inputs: readonly TestInput[],
  { tolerance = 1e-5, label = '' }: { tolerance?: number; label?: string } = {},
): Promise<void> {
  await tf.setBackend('cpu');
  const expected = run(f, inputs);
  const backend = await wasmBackend();
  const tensors = tf.memory().numTensors;
  const dataIds = backend.numDataIds();
  const restore = poisonAllocations(backend);
  let first: Result[];
  let second: Result[];
  try {
    first = run(f, inputs);
    second = run(f, inputs);
  } finally {
    restore();
  }
  expect(tf.memory().numTensors, `${label}: tensors left behind`).toBe(tensors);
  expect(backend.numDataIds(), `${label}: data ids left behind`).toBe(dataIds);
  expect(second, `${label}: second run`).toEqual(first);
  expect(first.length).toBe(expected.length);
  for (const [i, want] of expected.entries()) {
    const got = first[i] as Result;
    expect(got.shape, label).toEqual(want.shape);
    expect(got.dtype, label).toBe(want.dtype);
    const scale = Array.from(want.values).reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    let worst = 0;
    for (let at = 0; at < want.values.length; at++) {
      const difference = Math.abs((got.values[at] as number) - (want.values[at] as number));
      worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    }
    expect(worst, `${label}: output ${i}, largest |difference|`).toBeLessThanOrEqual(
      tolerance * Math.max(scale, 1e-30),
    );
  }
}
