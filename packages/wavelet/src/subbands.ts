import { checkShape } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';

/**
 * The four subbands of one level of a 2-D transform, `[N, H/2, W/2, C]` each. PyWavelets calls them cA (ll), cH (lh),
 * cV (hl) and cD (hh): lh responds to horizontal edges, hl to vertical ones.
 */
export type Subbands = { ll: Tensor4D; lh: Tensor4D; hl: Tensor4D; hh: Tensor4D };

/** @throws {ShapeError} unless the four have one shape of rank 4. */
export function checkSubbands(operation: string, { ll, lh, hl, hh }: Subbands): void {
  checkShape(operation, 'll', ll, ['N', 'H', 'W', 'C']);
  checkShape(operation, 'lh', lh, ll.shape);
  checkShape(operation, 'hl', hl, ll.shape);
  checkShape(operation, 'hh', hh, ll.shape);
}
