import { checkShape, ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { inverseSize } from './inverse-size';
import type { WaveletOptions } from './wavelet';

/**
 * The four subbands of one level of a 2-D transform, of one shape, `[N, H/2, W/2, C]` or somewhat larger (see `dwt2d`).
 * PyWavelets calls them cA (ll), cH (lh), cV (hl) and cD (hh): lh responds to horizontal edges, hl to vertical ones.
 */
export type Subbands = { ll: Tensor4D; lh: Tensor4D; hl: Tensor4D; hh: Tensor4D };

/** @throws {ShapeError} unless the four have one shape of rank 4, of which the wavelet has an inverse. */
export function checkSubbands(
  operation: string,
  { ll, lh, hl, hh }: Subbands,
  options: Required<WaveletOptions> = { wavelet: 'haar', mode: 'periodization' },
): void {
  checkShape(operation, 'll', ll, ['N', 'H', 'W', 'C']);
  checkInvertible(operation, 'll', ll, options);
  checkShape(operation, 'lh', lh, ll.shape);
  checkShape(operation, 'hl', hl, ll.shape);
  checkShape(operation, 'hh', hh, ll.shape);
}

/** @throws {ShapeError} where subbands of this size are smaller than those of a single pixel. */
export function checkInvertible(
  operation: string,
  argument: string,
  band: Tensor4D,
  options: Required<WaveletOptions>,
): void {
  const [, h, w] = band.shape;
  if (inverseSize(options, h, w).every((n) => n >= 2)) return;
  const least = 2 - inverseSize(options, 0, 0)[0]; // each coefficient more gives two samples more
  throw new ShapeError(operation, argument, `[N, H >= ${least / 2}, W >= ${least / 2}, C]`, band.shape);
}
