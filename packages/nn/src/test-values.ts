// Values for this package's tests; no part of the package.
import { readSafetensors, type TensorView, toFloat32 } from '@sd/checkpoint';
import { normalArray, randomKey } from '@sd/core';
import { golden } from '@sd/testing';
import type { Rank, ShapeMap, Tensor, Tensor4D, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { vi } from 'vitest';
import type { Module } from './module';

const { tensors } = readSafetensors(golden('training.safetensors'));

/** A tensor of goldens/training.safetensors, as it lies there. */
export function goldenView(name: string): TensorView {
  return tensors.get(name) as TensorView;
}

export function goldenTensor(name: string): Tensor {
  const view = goldenView(name);
  return tf.tensor(toFloat32(view), [...view.shape]);
}

/** The file's `[N, C, H, W]` as `[N, H, W, C]`. */
export function goldenImages(name: string): Tensor4D {
  return tf.tidy(() => tf.transpose(goldenTensor(name), [0, 2, 3, 1]) as Tensor4D);
}

/** Seeded Gaussian white noise. */
export function noise<R extends Rank>(seed: number, shape: ShapeMap[R], deviation = 1, mean = 0): Tensor<R> {
  const size = tf.util.sizeFromShape(shape);
  const values = normalArray(randomKey(seed), size).map((value) => mean + value * deviation);
  return tf.tensor(new Float32Array(values), shape);
}

/** `forward` as a function of its input and of the module's parameters (in memory layout), to be differentiated. */
export function ofParameters(module: Module, forward: (x: Tensor) => Tensor): (...inputs: Tensor[]) => Tensor {
  const parameters = [...module.parameters().values()];
  return (x, ...values) => {
    const spies = parameters.map((parameter, i) =>
      vi.spyOn(parameter, 'value', 'get').mockReturnValue(values[i] as Variable),
    );
    try {
      return forward(x);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  };
}

/** The module's parameters, moved away from their initial values: a scale of 1 or a shift of 0 hides mistakes. */
export function randomized<M extends Module>(module: M, seed = 77): M {
  let next = seed;
  for (const parameter of module.parameters().values()) {
    const values = normalArray(randomKey(next++), parameter.size).map((value) => 0.5 * value + 0.2);
    parameter.load(new Float32Array(values));
  }
  return module;
}

export function parameterTensors(module: Module): Tensor[] {
  return [...module.parameters().values()].map(({ value }) => tf.clone(value as Tensor));
}
