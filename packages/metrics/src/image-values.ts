import { ArgumentError, checkShape, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Rounding by which an image may leave [0, 1]. */
const SLACK = 1e-4;

/** @throws {ShapeError} unless x is `[N, H, W, C]` without an empty dimension. @throws {ArgumentError} if disposed. */
export function checkImages(operation: string, argument: string, x: Tensor4D): void {
  checkShape(operation, argument, x, ['N', 'H', 'W', 'C']);
  if (x.size === 0) throw new ShapeError(operation, argument, '[N, H, W, C] without an empty dimension', x.shape);
}

/**
 * Checks that images are in [0, 1] by their extremes: two numbers are read, not the images.
 * @param x `[N, H, W, C]`. Borrowed. @throws {ArgumentError} otherwise, and on NaN.
 */
export async function checkImageRange(operation: string, argument: string, x: Tensor4D): Promise<void> {
  checkImages(operation, argument, x);
  const extremes = tf.tidy(() => {
    // The sum is NaN where the images have one; minimum and maximum may pass it over.
    return tf.stack([tf.min(x), tf.max(x), tf.sum(x)]); // [3]
  });
  const [least, greatest, sum] = await extremes.data();
  extremes.dispose();
  checkExtremes(operation, argument, least!, greatest!, Number.isNaN(sum));
}

/**
 * The values of two sets of images of the same shape, both in [0, 1].
 * @throws {ShapeError} on other shapes. @throws {ArgumentError} on other ranges, and on NaN.
 */
export async function imagePairValues(
  operation: string,
  a: Tensor4D,
  b: Tensor4D,
): Promise<readonly [Float32Array, Float32Array]> {
  checkImages(operation, 'a', a);
  checkShape(operation, 'b', b, a.shape);
  const [first, second] = await Promise.all([a.data<'float32'>(), b.data<'float32'>()]);
  for (const [name, values] of Object.entries({ a: first, b: second })) {
    let [least, greatest, broken] = [Infinity, -Infinity, false];
    for (let i = 0; i < values.length; i++) {
      least = Math.min(least, values[i]!);
      greatest = Math.max(greatest, values[i]!);
      broken ||= Number.isNaN(values[i]);
    }
    checkExtremes(operation, name, least, greatest, broken);
  }
  return [first, second];
}

function checkExtremes(operation: string, argument: string, least: number, greatest: number, broken: boolean): void {
  if (broken || !(least >= -SLACK) || !(greatest <= 1 + SLACK)) {
    const actual = broken ? Number.NaN : [least, greatest];
    throw new ArgumentError(operation, `range of ${argument}`, 'within [0, 1]', actual);
  }
}
