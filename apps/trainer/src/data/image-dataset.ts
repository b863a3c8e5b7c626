import type { Tensor4D } from '@tensorflow/tfjs-core';

/** Square RGB images of one size, addressed by index. */
export interface ImageDataset {
  /** What it is, for logs and reports. */
  readonly description: string;
  readonly length: number;
  /** Height and width in pixels. */
  readonly size: number;
  /** `[indices, size, size, 3]` in [-1, 1]. Owned by the caller. */
  batch(indices: ArrayLike<number>): Promise<Tensor4D>;
}
