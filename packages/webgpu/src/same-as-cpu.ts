import { useBackend } from '@sd/backend';
import { expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

const read = async (program: () => tf.Tensor[]) => {
  const results = tf.tidy(program);
  const values = await Promise.all(results.map((tensor) => tensor.data<'float32'>()));
  const sizes = results.map(({ size }) => size);
  tf.dispose(results);
  return { values, sizes };
};

/**
 * Compares what a program of seeded tensors gives on the cpu backend, and on WebGPU with our kernels, into memory that held
 * no numbers before.
 */
export async function expectSameAsCpu(program: () => tf.Tensor[]): Promise<void> {
  await useBackend('cpu');
  const expected = await read(program);
  await useBackend('webgpu', { allowSoftware: true });
  await poison(expected.sizes);
  const actual = await expectTensors(0, () => read(program).then(({ values }) => values));
  for (const [i, values] of actual.entries()) expect(values).toBeAllclose(expected.values[i]!);
}

/** Leaves buffers of these numbers of values, full of NaN, to the backend's pool, from which results are taken. */
async function poison(sizes: readonly number[]): Promise<void> {
  const tensors = sizes.flatMap((size) => [tf.fill([size], Number.NaN), tf.fill([size], Number.NaN)]);
  await Promise.all(tensors.map((tensor) => tensor.data()));
  tf.dispose(tensors);
}

/** Normal values. */
export const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
