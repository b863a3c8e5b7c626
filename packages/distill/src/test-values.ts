// Values for this package's tests; no part of the package.
import { readSafetensors, toFloat32 } from '@sd/checkpoint';
import { normalArray, randomKey } from '@sd/core';
import { golden } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

const { tensors } = readSafetensors(golden('losses.safetensors'));

/** A tensor of goldens/losses.safetensors as `[N, H, W, C]`; the file holds `[N, C, H, W]`. */
export function goldenImages(name: string): Tensor4D {
  const view = tensors.get(name)!;
  return tf.tidy(() => {
    const nchw = tf.tensor(toFloat32(view), [...view.shape]);
    return tf.transpose(nchw, [0, 2, 3, 1]) as Tensor4D;
  });
}

export function goldenScalar(name: string): number {
  return toFloat32(tensors.get(name)!)[0]!;
}

/** Seeded Gaussian white noise. */
export function noise(seed: number, shape: readonly [number, number, number, number]): Tensor4D {
  const [n, h, w, c] = shape;
  return tf.tensor4d(Float32Array.from(normalArray(randomKey(seed), n * h * w * c)), [n, h, w, c]);
}
