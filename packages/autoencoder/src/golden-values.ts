// Values for this package's tests; no part of the package.
import { float32View, readSafetensors, type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import { withoutPrefix } from '@sd/nn';
import { golden } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

const file = readSafetensors(golden('autoencoders.safetensors'));

/** A set of goldens/autoencoders.safetensors. */
export function goldenSet(name: string): StateDict {
  return withoutPrefix(file.tensors, `${name}/`);
}

/** Names and shapes that PyTorch gives the parameters of a set. */
export function goldenShapes(name: string): Record<string, number[]> {
  return JSON.parse(file.metadata[name]);
}

/** An NCHW array as an NHWC tensor. */
export function nhwc(state: StateDict, name: string): Tensor4D {
  const shape = viewOf(state, name).shape as [number, number, number, number];
  return tf.tidy(() => tf.transpose(tf.tensor4d(numbers(state, name), shape), [0, 2, 3, 1]));
}

export function numbers(state: StateDict, name: string): Float32Array {
  return toFloat32(viewOf(state, name));
}

function viewOf(state: StateDict, name: string): TensorView {
  const view = state.get(name);
  if (!view) throw new Error(`the golden file has no ${name}`);
  return view;
}

/** goldens/make-autoencoders.py's numbers in (-0.5, 0.5). */
export function formula(count: number, k: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    const u = Math.abs(Math.sin(12.9898 * (i + 1) + 78.233 * (k % 97)) * 43758.5453);
    return u - Math.floor(u) - 0.5;
  });
}

/** Its images: an NCHW shape, as an NHWC tensor of values in (-1, 1). */
export function formulaImage(shape: readonly [number, number, number, number], k: number): Tensor4D {
  const values = Float32Array.from(formula(tf.util.sizeFromShape([...shape]), k), (s) => 2 * s);
  return tf.tidy(() => tf.transpose(tf.tensor4d(values, [...shape]), [0, 2, 3, 1]));
}

/** Its weights for the names and shapes of a state dict. */
export function formulaWeights(shapes: Readonly<Record<string, readonly number[]>>): Map<string, TensorView> {
  const names = Object.keys(shapes).sort();
  return new Map(
    names.map((name, k) => {
      const shape = shapes[name];
      if (name.endsWith('num_batches_tracked')) return [name, { dtype: 'I64', shape: [], data: new Uint8Array(8) }];
      const size = tf.util.sizeFromShape([...shape]);
      const spread = Math.sqrt((24 * shape[0]) / size);
      const value = (s: number): number => {
        if (shape.length >= 2) return s * spread;
        if (name.endsWith('running_var')) return 1 + 0.5 * s;
        return name.endsWith('weight') ? 1 + 0.4 * s : 0.2 * s;
      };
      return [name, float32View(Float32Array.from(formula(size, k), value), shape)];
    }),
  );
}

/** Names and shapes of a state dict. */
export function shapesOf(state: StateDict): Record<string, readonly number[]> {
  return Object.fromEntries([...state].map(([name, { shape }]) => [name, shape]));
}
