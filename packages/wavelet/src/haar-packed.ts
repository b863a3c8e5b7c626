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

function dwtReference(x: Tensor4D): Tensor4D {
  const [n, h, w, c] = x.shape;
  const rows = tf.reshape(x, [(n * h) / 2, 2, w * c]); // [N H/2, 2, W C]
  const [top, bottom] = tf.split(rows, 2, 1);
  const pair = (t: Tensor) => tf.split(tf.reshape(t, [(n * h * w) / 4, 2 * c]), 2, 1); // 2 x [N H/2 W/2, C]
  const [lowLeft, lowRight] = pair(tf.mul(tf.add(top, bottom), 0.5));
  const [highLeft, highRight] = pair(tf.mul(tf.sub(top, bottom), 0.5));
  const bands = [
    tf.add(lowLeft, lowRight),
    tf.add(highLeft, highRight),
    tf.sub(lowLeft, lowRight),
    tf.sub(highLeft, highRight),
  ];
  return tf.reshape(tf.concat(bands, 1), [n, h / 2, w / 2, 4 * c]); // [N, H/2, W/2, 4C]
}

function idwtReference(packed: Tensor4D): Tensor4D {
  const [n, h, w, c4] = packed.shape;
  const c = c4 / 4;
  const [ll, lh, hl, hh] = tf.split(tf.reshape(tf.mul(packed, 0.5), [n * h * w, c4]), 4, 1); // 4 x [N H W, C]
  const columns = (low: Tensor, high: Tensor) =>
    tf.reshape(tf.concat([tf.add(low, high), tf.sub(low, high)], 1), [n * h, 2 * w * c]); // [N H, 2W C]
  const lowRows = columns(ll, hl);
  const highRows = columns(lh, hh);
  const rows = tf.concat([tf.add(lowRows, highRows), tf.sub(lowRows, highRows)], 1); // [N H, 2 2W C]
  return tf.reshape(rows, [n, 2 * h, 2 * w, c]); // [N, 2H, 2W, C]
}
