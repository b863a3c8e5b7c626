import type { RandomKey } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { PictureSource } from './pictures/picture-source';

/** Square RGB images of one size, addressed by index. */
export interface ImageDataset {
  /** What it is, for logs and reports. */
  readonly description: string;
  readonly length: number;
  /** Height and width in pixels. */
  readonly size: number;
  /** A class for each image, where they have classes. */
  readonly labels?: Int32Array | undefined;
  readonly classNames?: readonly string[] | undefined;
  /** Lengths of runs of images that are read fastest together. */
  readonly groups?: readonly number[] | undefined;
  readonly captions?: PictureSource['captions'];
  /**
   * The index of the picture that an image shows, once it has been read: another one stands in for what cannot be read.
   */
  sourceOf?(index: number): number;
  /**
   * `[indices, size, size, 3]` in [-1, 1]. Owned by the caller.
   * @param key of random crops, where the dataset has them; without it they are at the center.
   */
  batch(indices: ArrayLike<number>, key?: RandomKey): Promise<Tensor4D>;
  /** Begins to read what a later `batch` with the same arguments will ask for. */
  prefetch?(indices: ArrayLike<number>, key?: RandomKey): void;
  /** Ends the threads and closes the files that it reads with. */
  close?(): Promise<void>;
}
