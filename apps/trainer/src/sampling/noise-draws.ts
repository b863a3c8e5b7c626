import { foldIn, normalArray, type RandomKey } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { sampleNoise } from './sample-noise';
import { slerp } from './slerp';

export type LatentShape = readonly [height: number, width: number, channels: number];

/**
 * Noise of samples `first` to `first + count - 1`: where the run starts, or its n-th draw. A sample's noise depends on
 * its number, and not on what it is drawn together with.
 * @returns `[count, ...shape]`. Owned by the caller.
 */
export type NoiseDraws = (draw: 'start' | number, first: number, count: number, shape: LatentShape) => Tensor4D;

/** Noise of the samples of one seed. */
export function seededDraws(key: RandomKey): NoiseDraws {
  return (draw, first, count, shape) => sampleNoise(drawKey(key, draw), first, count, shape);
}

/**
 * Noise on the way from sample 0 of one seed to sample 0 of another, in `total` equal angles with both ends. All draws of
 * a run are interpolated, so that the ends are the two samples with random samplers too.
 */
export function interpolatedDraws(from: RandomKey, to: RandomKey, total: number): NoiseDraws {
  return (draw, first, count, shape) => {
    const size = shape[0] * shape[1] * shape[2];
    const [a, b] = [from, to].map((key) => normalArray(foldIn(drawKey(key, draw), 0), size));
    const data = new Float32Array(count * size);
    for (let i = 0; i < count; i++) data.set(slerp(a, b, (first + i) / (total - 1)), i * size);
    return tf.tensor4d(data, [count, ...shape]);
  };
}

function drawKey(key: RandomKey, draw: 'start' | number): RandomKey {
  return draw === 'start' ? foldIn(key, 'start') : foldIn(foldIn(key, 'step'), draw);
}
