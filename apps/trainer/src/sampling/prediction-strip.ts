import type { Rank, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { decodeLatents } from '../data/latents';
import type { AnyFirstStage } from '../files/first-stage-file';

/** The x_0 that a model predicts of some samples at a step. */
export type Predictions = {
  /** Number of the first of the samples. */
  readonly first: number;
  /** 1..steps. */
  readonly step: number;
  readonly steps: number;
  /** `[N, H, W, C]` latents, computed when they are read. Borrowed. */
  readonly predictedX0: Tensor4D;
};

/** Gathers what is predicted of the first samples over a run, for a picture with a row for each sample. */
export class PredictionStrip {
  /** `[rows, H, W, C]` in all, in the order in which they came; by column. */
  readonly #columns: Tensor4D[][] = [];

  /** @param rows samples that are shown. @param columns predictions of each, the first and the last among them. */
  constructor(
    readonly rows: number,
    readonly columns = 8,
  ) {}

  /** Keeps the predictions if their step is one of those shown. */
  add(predictions: Predictions): void {
    const { first, step, steps } = predictions;
    const column = shownSteps(steps, this.columns).indexOf(step);
    if (column < 0 || first >= this.rows) return;
    const { predictedX0 } = predictions;
    const [count, height, width, channels] = predictedX0.shape;
    const kept = tf.slice(predictedX0, [0, 0, 0, 0], [Math.min(count, this.rows - first), height, width, channels]);
    this.#columns[column] ??= [];
    this.#columns[column].push(kept);
  }

  /** `[rows * shown steps, H, W, 3]` in [-1, 1], row by row. Owned by the caller. */
  images(autoencoder: AnyFirstStage, scaleFactor: number): Tensor4D {
    return tf.tidy(() => {
      const columns = this.#columns.map((parts) => tf.concat(parts, 0)); // [rows, H, W, C]
      const [rows, height, width, channels] = columns[0].shape;
      const latents = tf.reshape<Rank.R4>(tf.stack(columns, 1), [rows * columns.length, height, width, channels]); // [rows * shown, H, W, C]
      return decodeLatents(autoencoder, latents, scaleFactor);
    });
  }

  /** Columns of the picture: fewer than asked for where the run is shorter. */
  get shown(): number {
    return this.#columns.length;
  }

  dispose(): void {
    tf.dispose(this.#columns);
    this.#columns.length = 0;
  }
}

/** Up to `count` of the steps 1..steps, equally far apart, with both ends. */
export function shownSteps(steps: number, count: number): number[] {
  if (steps <= count) return Array.from({ length: steps }, (_, i) => i + 1);
  if (count === 1) return [steps];
  return Array.from({ length: count }, (_, i) => Math.round(1 + (i * (steps - 1)) / (count - 1)));
}
