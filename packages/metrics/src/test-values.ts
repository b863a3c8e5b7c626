// Values for this package's tests; no part of the package.
import { float32View, readSafetensors, type StateDict, type TensorView, toFloat64 } from '@sd/checkpoint';
import { normalArray, randomKey } from '@sd/core';
import { golden } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type FeatureRows, featureRows } from './feature-rows';

const files = new Map<string, StateDict>();

function view(file: string, name: string) {
  if (!files.has(file)) files.set(file, readSafetensors(golden(file)).tensors);
  const found = files.get(file)!.get(name);
  if (found === undefined) throw new Error(`${file} has no ${name}`);
  return found;
}

/** Values of goldens/metrics.safetensors, or of another file of goldens/. */
export function goldenValues(name: string, file = 'metrics.safetensors'): Float64Array {
  return toFloat64(view(file, name));
}

export function goldenRows(name: string, file = 'metrics.safetensors'): FeatureRows {
  return featureRows(goldenValues(name, file), view(file, name).shape[1]!);
}

/** A tensor as it lies in the file. */
export function goldenTensor(name: string, file = 'metrics.safetensors'): tf.Tensor {
  return tf.tensor(Float32Array.from(goldenValues(name, file)), [...view(file, name).shape]);
}

/** The file's `[N, C, H, W]` as `[N, H, W, C]`. */
export function goldenImages(name: string, file = 'metrics.safetensors'): Tensor4D {
  return tf.tidy(() => tf.transpose(goldenTensor(name, file), [0, 2, 3, 1]) as Tensor4D);
}

/** `count` samples of `dimension` normal features, times `scale` plus `shift`. */
export function randomRows(seed: number, count: number, dimension: number, scale = 1, shift = 0): FeatureRows {
  return featureRows(
    normalArray(randomKey(seed), count * dimension).map((value) => scale * value + shift),
    dimension,
  );
}

export function someRows({ values, dimension }: FeatureRows, start: number, count: number): FeatureRows {
  return featureRows(values.slice(start * dimension, (start + count) * dimension), dimension);
}

type Shaped = ReadonlyMap<string, { readonly torchShape: readonly number[] }>;

/**
 * Weights by the formula of goldens/fid.safetensors and metrics.safetensors: for the idx-th of the sorted names and element
 * i, s = frac(|sin(12.9898 (i + 1) + 78.233 (idx mod 97)) 43758.5453|) - 0.5, scaled and shifted by its kind.
 */
export function formulaState(module: { parameters(): Shaped; buffers(): Shaped }): Map<string, TensorView> {
  const entries = [...module.parameters(), ...module.buffers()].sort(([a], [b]) => (a < b ? -1 : 1));
  const state = new Map<string, TensorView>();
  for (const [index, [name, { torchShape }]] of entries.entries()) {
    if (name.endsWith('num_batches_tracked')) continue;
    const size = torchShape.reduce((product, dimension) => product * dimension, 1);
    state.set(name, float32View(formulaValues(index, size, ...scaleAndShift(name, torchShape)), torchShape));
  }
  return state;
}

/** scale s + shift */
export function formulaValues(index: number, size: number, scale: number, shift: number): Float32Array {
  const values = new Float32Array(size);
  const phase = 78.233 * (index % 97);
  for (let i = 0; i < size; i++) {
    const x = Math.abs(Math.sin(12.9898 * (i + 1) + phase) * 43758.5453);
    values[i] = scale * (x - Math.floor(x) - 0.5) + shift;
  }
  return values;
}

function scaleAndShift(name: string, shape: readonly number[]): [scale: number, shift: number] {
  if (name.endsWith('running_var')) return [0.5, 1];
  if (name.endsWith('bn.weight')) return [0.4, 1];
  if (shape.length >= 2) return [Math.sqrt(24 / shape.slice(1).reduce((product, size) => product * size, 1)), 0];
  return [0.2, 0];
}
