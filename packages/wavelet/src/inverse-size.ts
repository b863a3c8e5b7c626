import { ArgumentError } from '@sd/core';
import type { WaveletOptions } from './wavelet';

export type Size = readonly [height: number, width: number];

export type InverseOptions = WaveletOptions & {
  /** Height and width of the result, for images whose sizes were odd; by default those of the subbands doubled. */
  readonly size?: Size;
};

/** Has the transform of an image of this size subbands of h x w? */
export function isInverseSize(size: readonly number[], h: number, w: number): boolean {
  return (
    size.length === 2 &&
    size.every(Number.isInteger) &&
    size[0] + (size[0] % 2) === 2 * h &&
    size[1] + (size[1] % 2) === 2 * w
  );
}

/** @throws {ArgumentError} unless the transform of an image of this size has subbands of h x w. */
export function checkInverseSize(operation: string, size: Size, h: number, w: number): void {
  if (isInverseSize(size, h, w)) return;
  throw new ArgumentError(operation, 'size', `[${2 * h - 1} or ${2 * h}, ${2 * w - 1} or ${2 * w}]`, size);
}
