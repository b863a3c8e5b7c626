import { ArgumentError } from '@sd/core';
import { inverseLength } from './band-length';
import type { WaveletOptions } from './wavelet';
import { filterLength } from './wavelet-filters';

export type Size = readonly [height: number, width: number];

export type InverseOptions = WaveletOptions & {
  /** Height and width of the result, for images whose sizes were odd; by default the largest, which is even. */
  readonly size?: Size;
};

/** The size of the inverse of bands of h x w, or smaller by 1 where the image's was odd. */
export function inverseSize({ wavelet, mode }: Required<WaveletOptions>, h: number, w: number): Size {
  const length = filterLength(wavelet);
  return [inverseLength(h, length, mode), inverseLength(w, length, mode)];
}

/** Has the transform of an image of this size subbands whose inverse is of size `largest`? */
export function isInverseSize(size: readonly number[], largest: Size): boolean {
  return (
    size.length === 2 &&
    size.every((n, i) => Number.isInteger(n) && n >= 1 && (n === largest[i] || n === largest[i] - 1))
  );
}

/** `[7 or 8, 9 or 10]` */
export function describeSizes(largest: Size): string {
  return `[${largest.map((n) => `${n - 1} or ${n}`).join(', ')}]`;
}

/**
 * @param size the size asked for, if any. @returns it, or the largest.
 * @throws {ArgumentError} unless the transform of an image of this size has subbands of h x w.
 */
export function checkInverseSize(
  operation: string,
  size: Size | undefined,
  options: Required<WaveletOptions>,
  h: number,
  w: number,
): Size {
  const largest = inverseSize(options, h, w);
  if (size === undefined) return largest;
  if (!isInverseSize(size, largest)) throw new ArgumentError(operation, 'size', describeSizes(largest), size);
  return size;
}
