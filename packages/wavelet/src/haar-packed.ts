import { dispatch } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Kernel names that a backend may register, both on *packed* subbands: one tensor whose channels are all of LL, then
 * LH, HL, HH. `HaarDwt2d` {x `[N, H, W, C]`} -> `[N, H/2, W/2, 4C]`; `HaarIdwt2d` is its inverse.
 */
export const HAAR_DWT2D_KERNEL = 'HaarDwt2d';
export const HAAR_IDWT2D_KERNEL = 'HaarIdwt2d';

/** The transform on checked shapes. Being orthonormal, its gradient is the inverse transform. */
export function packedDwt(x: Tensor4D): Tensor4D {
  return differentiableDwt(x) as Tensor4D;
}

/** The inverse transform on checked shapes, whose gradient is the transform. */
export function packedIdwt(packed: Tensor4D): Tensor4D {
  return differentiableIdwt(packed) as Tensor4D;
}

const differentiableDwt = (input: Tensor): Tensor =>
  tf.customGrad((x) => {
    const image = x as Tensor4D;
    const [value] = dispatch(HAAR_DWT2D_KERNEL, { x: image }, {}, () => dwtReference(image));
    return { value, gradFunc: (dy: Tensor) => packedIdwt(dy as Tensor4D) };
  })(input);

const differentiableIdwt = (input: Tensor): Tensor =>
  tf.customGrad((x) => {
    const packed = x as Tensor4D;
    const [value] = dispatch(HAAR_IDWT2D_KERNEL, { x: packed }, {}, () => idwtReference(packed));
    return { value, gradFunc: (dy: Tensor) => packedDwt(dy as Tensor4D) };
  })(input);

/** Rows: LL, LH, HL, HH; columns: a, b, c, d of a block [a b; c d]. Symmetric and orthogonal: its own inverse. */
const HAAR = [
  [0.5, 0.5, 0.5, 0.5],
  [0.5, 0.5, -0.5, -0.5],
  [0.5, -0.5, 0.5, -0.5],
  [0.5, -0.5, -0.5, 0.5],
] as const;

// Four depthwise convolutions and a concat. On tfjs's own WASM backend, where slices and transposes are loops in
// JavaScript, this was the fastest of the compositions tried: half the time of slices, and a two-hundredth of an unstack
// of rank 5. On a GPU it is five dispatches.
function dwtReference(x: Tensor4D): Tensor4D {
  const c = x.shape[3];
  const bands = HAAR.map((row) => tf.depthwiseConv2d(x, depthwiseFilter(row, [2, 2], c), 2, 'valid'));
  return tf.concat(bands, 3); // [N, H/2, W/2, 4C]
}

function idwtReference(packed: Tensor4D): Tensor4D {
  const [n, h, w, c4] = packed.shape;
  const c = c4 / 4;
  const sequence = tf.reshape(packed, [n, 1, 4 * h * w, c]) as Tensor4D; // each pixel's LL, LH, HL, HH side by side
  const corners = HAAR.map((row) =>
    tf.reshape(tf.depthwiseConv2d(sequence, depthwiseFilter(row, [1, 4], c), 4, 'valid'), [n * h * w, c]),
  );
  const rows = [corners.slice(0, 2), corners.slice(2)].map(
    (pair) => tf.reshape(tf.concat(pair, 1), [n * h, 2 * w * c]), // [N H, 2W C]
  );
  return tf.reshape(tf.concat(rows, 1), [n, 2 * h, 2 * w, c]); // [N, 2H, 2W, C]
}

/** The same four weights for every channel, `[size[0], size[1], channels, 1]`. */
function depthwiseFilter(weights: readonly number[], size: readonly [number, number], channels: number): Tensor4D {
  const data = Float32Array.from({ length: 4 * channels }, (_, i) => weights[Math.floor(i / channels)]);
  return tf.tensor4d(data, [...size, channels, 1]);
}
