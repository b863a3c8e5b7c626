// Values for this package's tests; no part of the package.
import { readSafetensors, type StateDict, toFloat64 } from '@sd/checkpoint';
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
