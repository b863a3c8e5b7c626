import { foldIn, integerArray, normal, normalArray, permutation, type RandomKey, uniformArray } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { BatchOrder } from '../data/batches';

/** What a step of a diffusion model's training draws. */
export type Draw = {
  /** Which latents. */
  readonly indices: Int32Array;
  /** A timestep for each. */
  readonly times: number[];
  /** Whose condition is left out. */
  readonly leftOut: readonly boolean[];
  /** Numbers in [0, 1) that choose one of an image's texts. */
  readonly captions: ArrayLike<number>;
  /** Standard normal, as the shape says, whose first number is that of the latents. Owned by the caller. */
  noise(shape: readonly [number, number, number, number]): Tensor4D;
};

export type DrawsOptions = {
  readonly key: RandomKey;
  /** How many latents there are. */
  readonly latents: number;
  readonly trainTimesteps: number;
  /** How often a condition is left out. */
  readonly dropout: number;
};

/** Draws by number: a function of key and number alone. */
export interface Draws {
  at(draw: number): Draw;
}

/** New noisy examples at every step. */
export class FreshDraws implements Draws {
  readonly #order: BatchOrder;

  constructor(
    private readonly options: DrawsOptions,
    private readonly size: number,
  ) {
    this.#order = new BatchOrder(foldIn(options.key, 'order'), options.latents, size);
  }

  at(draw: number): Draw {
    const { size } = this;
    const { key: ofAll, trainTimesteps, dropout } = this.options;
    const key = foldIn(foldIn(ofAll, 'draw'), draw);
    return {
      indices: this.#order.indices(draw),
      times: [...integerArray(foldIn(key, 't'), size, trainTimesteps)],
      leftOut: Array.from(uniformArray(foldIn(key, 'condition'), size), (value) => value < dropout),
      captions: uniformArray(foldIn(key, 'caption'), size),
      noise: (shape) => normal(foldIn(key, 'noise'), [...shape]) as Tensor4D,
    };
  }
}

/**
 * A finite set of noisy examples (latent, time, noise), each a function of key and place alone, so that what a teacher
 * says of them can be kept. The first pass takes them in order, every later one in an order of its own.
 */
export class FiniteDraws implements Draws {
  readonly #latents: Int32Array;
  #pass = 0;
  #order: Int32Array | undefined;

  /** @param examples how many there are. @param size of a draw. */
  constructor(
    private readonly options: DrawsOptions,
    private readonly examples: number,
    private readonly size: number,
  ) {
    this.#latents = new BatchOrder(foldIn(options.key, 'order'), options.latents, examples).indices(0);
  }

  at(draw: number): Draw {
    return this.of(this.rows(draw));
  }

  /** Places of a draw's examples in the set. */
  rows(draw: number): Int32Array {
    return Int32Array.from({ length: this.size }, (_, i) => this.#row(draw * this.size + i));
  }

  /** The examples at these places. */
  of(rows: Int32Array): Draw {
    const { key: ofAll, trainTimesteps, dropout } = this.options;
    const keys = Array.from(rows, (row) => foldIn(foldIn(ofAll, 'example'), row));
    return {
      indices: rows.map((row) => this.#latents[row]),
      times: keys.map((key) => integerArray(foldIn(key, 't'), 1, trainTimesteps)[0]),
      leftOut: keys.map((key) => uniformArray(foldIn(key, 'condition'), 1)[0] < dropout),
      captions: keys.map((key) => uniformArray(foldIn(key, 'caption'), 1)[0]),
      noise: ([, ...shape]) => {
        const size = shape.reduce((a, b) => a * b);
        const values = new Float32Array(rows.length * size);
        for (const [i, key] of keys.entries()) values.set(normalArray(foldIn(key, 'noise'), size), i * size);
        return tf.tensor(values, [rows.length, ...shape]) as Tensor4D;
      },
    };
  }

  #row(position: number): number {
    const pass = Math.floor(position / this.examples);
    const place = position % this.examples;
    if (pass === 0) return place;
    if (pass !== this.#pass || !this.#order) {
      this.#pass = pass;
      this.#order = permutation(foldIn(foldIn(this.options.key, 'pass'), pass), this.examples);
    }
    return this.#order[place];
  }
}
