import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ExtensionMode } from './wavelet';

/**
 * Adds a row where the height is odd and a column where the width is.
 * @param x `[N, H, W, C]`. Borrowed. @returns `[N, even, even, C]`, x itself where nothing is added: call it in a tidy.
 */
export function extendToEven(x: Tensor4D, mode: ExtensionMode): Tensor4D {
  return extendAxis(extendAxis(x, 1, mode), 2, mode);
}

function extendAxis(x: Tensor4D, axis: 1 | 2, mode: ExtensionMode): Tensor4D {
  const length = x.shape[axis];
  if (length % 2 === 0) return x;
  const begin = [0, 0, 0, 0] as [number, number, number, number];
  const size = [...x.shape] as [number, number, number, number];
  begin[axis] = mode === 'reflect' ? Math.max(length - 2, 0) : length - 1;
  size[axis] = 1;
  return tf.concat([x, mode === 'zero' ? tf.zeros<tf.Rank.R4>(size) : tf.slice(x, begin, size)], axis);
}
