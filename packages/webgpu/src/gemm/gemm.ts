import type { TensorInfo } from '@tensorflow/tfjs-core';

/**
 * One product of matrices, C `[M, N]` = A `[M, K]` B `[K, N]`, for each of several batches. Convolutions are such products
 * whose A is never written down: its values are gathered from the image while tiles are loaded ("implicit GEMM").
 *
 * | | A | B | M | N | K |
 * |---|---|---|---|---|---|
 * | convolution | image, `gather` | filter, `rows` | output pixels | outC | taps x inC |
 * | its input gradient | dy, `gather` | filter, `columns` | input pixels | inC | taps x outC |
 * | its filter gradient | image, `gather-columns` | dy, `rows` | taps x inC | outC | output pixels |
 */
export type Gemm = {
  readonly left: Left;
  readonly right: Right;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  /** Shape of the result, batches x M x N values. */
  readonly outShape: readonly number[];
  readonly epilogue?: Epilogue;
};

/** Where the values of A lie. Strides between batches are in values; 0 repeats one matrix. */
export type Left = {
  readonly tensor: TensorInfo;
  readonly batchStride: number;
  /**
   * `rows`: A[m, k] at m K + k. `columns`: A[m, k] at k M + m. `gather`: m is a pixel of the result, k a tap and a channel.
   * `gather-columns`: m is a tap and a channel, k a pixel.
   */
  readonly layout: 'rows' | 'columns' | 'gather' | 'gather-columns';
  readonly gather?: Gather;
};

/** Where the values of B lie. */
export type Right = {
  readonly tensor: TensorInfo;
  readonly batchStride: number;
  /** `rows`: B[k, n] at k N + n. `columns`: B[k, n] at (tap N + n) C + c, where k = tap C + c. */
  readonly layout: 'rows' | 'columns';
  /** C of `columns`; K for a plain transposed matrix. */
  readonly channels: number;
};

/**
 * Which pixel a tap sees: for the pixel (y, x) and the tap (ty, tx) the one at ((y mul + addY + ty stepY) / divide, ...),
 * and zero where that is none of the image or no whole number. The image may be repeated: each of its pixels is then a
 * square of `repeat` x `repeat` (of images that are repeated, `divide` is 1).
 */
export type Gather = {
  /** Of the image: height, width, channels, a multiple of four. */
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Height and width of the grid of pixels that m (or k) counts. */
  readonly gridHeight: number;
  readonly gridWidth: number;
  readonly filterWidth: number;
  readonly mulY: number;
  readonly mulX: number;
  readonly addY: number;
  readonly addX: number;
  readonly stepY: number;
  readonly stepX: number;
  readonly divideY: number;
  readonly divideX: number;
  readonly repeat: number;
};

export const ACTIVATIONS = ['linear', 'relu', 'relu6', 'sigmoid', 'elu', 'silu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** What becomes of a sum before it is written: activation(sum + bias[n]) + residual[m, n]. */
export type Epilogue = {
  /** `[N]` */
  readonly bias?: TensorInfo;
  readonly activation?: Activation;
  /** Of the result's shape. */
  readonly residual?: TensorInfo;
};
