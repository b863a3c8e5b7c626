import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { alongAxis } from './along-axis';
import { applyGates } from './apply-gates';
import type { AxisOperator } from './axis-operator';
import { extendToEven } from './extend-to-even';
import { analysisOperator, synthesisOperator } from './filter-operators';
import { gatedDwt, gatedIdwt } from './gated-haar';
import { packedDwt, packedIdwt } from './haar-packed';
import type { Size } from './inverse-size';
import type { Subbands } from './subbands';
import type { WaveletOptions } from './wavelet';

/** Options that have been checked. */
export type Transform = Required<WaveletOptions>;

/** Haar has a transform of its own, fused on backends that have its kernels. */
const isHaar = (wavelet: string) => wavelet === 'haar' || wavelet === 'db1';

/** The transform of a checked image; the result is the innermost tidy's. */
export function transform(x: Tensor4D, { wavelet, mode }: Transform): Subbands {
  if (isHaar(wavelet)) {
    const [ll, lh, hl, hh] = tf.split(packedDwt(extendToEven(x, mode)), 4, 3) as Tensor4D[];
    return { ll, lh, hl, hh };
  }
  const [, h, w] = x.shape;
  const rows = alongImageAxis(x, 1, analysisOperator(wavelet, mode, h)); // [N, 2H', W, C]
  const both = alongImageAxis(rows, 2, analysisOperator(wavelet, mode, w)); // [N, 2H', 2W', C]
  const [low, high] = tf.split(both, 2, 1) as Tensor4D[]; // of the vertical direction: 2 x [N, H', 2W', C]
  const [ll, hl] = tf.split(low, 2, 2) as Tensor4D[];
  const [lh, hh] = tf.split(high, 2, 2) as Tensor4D[];
  return { ll, lh, hl, hh };
}

/** The same with the subbands along the channels, LL, LH, HL, HH. */
export function packedTransform(x: Tensor4D, options: Transform): Tensor4D {
  if (isHaar(options.wavelet)) return packedDwt(extendToEven(x, options.mode));
  const { ll, lh, hl, hh } = transform(x, options);
  return tf.concat([ll, lh, hl, hh], 3); // [N, H', W', 4C]
}

/** `packedTransform` times its gates `[N, 4, C]` or `[N, 4, 1]`. */
export function gatedTransform(x: Tensor4D, gates: Tensor3D, options: Transform): Tensor4D {
  if (isHaar(options.wavelet)) return gatedDwt(extendToEven(x, options.mode), gates);
  return applyGates(packedTransform(x, options), gates);
}

/** The inverse of checked subbands, of a checked size. */
export function inverseTransform({ ll, lh, hl, hh }: Subbands, { wavelet, mode }: Transform, size: Size): Tensor4D {
  if (isHaar(wavelet)) return cropped(packedIdwt(tf.concat([ll, lh, hl, hh], 3)), size);
  const [, h, w] = ll.shape;
  const both = tf.concat([tf.concat([ll, hl], 2), tf.concat([lh, hh], 2)], 1); // [N, 2H', 2W', C]
  const rows = alongImageAxis(both, 2, synthesisOperator(wavelet, mode, w, size[1])); // [N, 2H', W, C]
  return alongImageAxis(rows, 1, synthesisOperator(wavelet, mode, h, size[0])); // [N, H, W, C]
}

/** The inverse of packed subbands. */
export function packedInverse(packed: Tensor4D, options: Transform, size: Size): Tensor4D {
  if (isHaar(options.wavelet)) return cropped(packedIdwt(packed), size);
  const [ll, lh, hl, hh] = tf.split(packed, 4, 3) as Tensor4D[];
  return inverseTransform({ ll, lh, hl, hh }, options, size);
}

/** The inverse of packed subbands times their gates. */
export function gatedInverse(packed: Tensor4D, gates: Tensor3D, options: Transform, size: Size): Tensor4D {
  if (isHaar(options.wavelet)) return cropped(gatedIdwt(packed, gates), size);
  return packedInverse(applyGates(packed, gates), options, size);
}

function cropped(x: Tensor4D, [height, width]: Size): Tensor4D {
  const [n, h, w, c] = x.shape;
  return height === h && width === w ? x : tf.slice(x, [0, 0, 0, 0], [n, height, width, c]);
}

function alongImageAxis(x: Tensor4D, axis: 1 | 2, operator: AxisOperator): Tensor4D {
  const [n, h, w, c] = x.shape;
  if (axis === 1) return tf.reshape(alongAxis(tf.reshape(x, [n, h, w * c]), operator), [n, operator.rows, w, c]);
  return tf.reshape(alongAxis(tf.reshape(x, [n * h, w, c]), operator), [n, h, operator.rows, c]);
}
