import { ArgumentError, checkInteger, foldIn, type RandomKey, uniformArray } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageDataset } from './image-dataset';

const SUPERSAMPLING = 2;
const MAXIMUM_LEAVES = 4000;
const DRAWS_PER_LEAF = 6;

/**
 * Images of the dead leaves model (Matheron 1968; Lee, Mumford and Huang 2001): discs that fall on each other, with
 * density ~ r^-3 of their radius, which gives the edges, occlusions and the 1 / f^2 power spectrum of photographs.
 * Each image has a palette of its own. Image i of a seed is always the same.
 */
export class DeadLeaves implements ImageDataset {
  readonly description: string;
  /** Images drawn so far: drawing one takes as long as many of a training's steps. */
  readonly #drawn: (Uint8Array | undefined)[] = [];

  /** @param length number of images. @param size pixels, 8 at least. */
  constructor(
    private readonly key: RandomKey,
    readonly length: number,
    readonly size: number,
  ) {
    checkInteger('DeadLeaves', 'length', length);
    checkInteger('DeadLeaves', 'size', size, 8);
    this.description = `${length.toLocaleString('en')} dead-leaves images of ${size} px`;
  }

  async batch(indices: ArrayLike<number>): Promise<Tensor4D> {
    const { size } = this;
    const data = new Float32Array(indices.length * size * size * 3);
    for (let i = 0; i < indices.length; i++) {
      const offset = i * size * size * 3;
      this.image(indices[i]).forEach((byte, j) => {
        data[offset + j] = byte / 127.5 - 1;
      });
    }
    return tf.tensor4d(data, [indices.length, size, size, 3]);
  }

  /** One image, size x size x 3 bytes. Borrowed. */
  image(index: number): Uint8Array {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new ArgumentError('DeadLeaves', 'index', `an integer in [0, ${this.length})`, index);
    }
    this.#drawn[index] ??= drawDeadLeaves(foldIn(this.key, index), this.size);
    return this.#drawn[index];
  }
}

/** Discs from the front to the back, each filling what is still empty, until the plane is covered. */
function drawDeadLeaves(key: RandomKey, size: number): Uint8Array {
  const width = size * SUPERSAMPLING;
  const color = new Float32Array(width * width * 3);
  const covered = new Uint8Array(width * width);
  const palette = uniformArray(foldIn(key, 'palette'), 12);
  const draws = uniformArray(foldIn(key, 'leaves'), MAXIMUM_LEAVES * DRAWS_PER_LEAF);
  const smallest = 0.15 * width;
  const largest = 0.5 * width;
  let empty = width * width;
  for (let leaf = 0; leaf < MAXIMUM_LEAVES && empty > 0; leaf++) {
    const [u, cx, cy, ...tint] = draws.subarray(leaf * DRAWS_PER_LEAF, (leaf + 1) * DRAWS_PER_LEAF);
    const last = leaf === MAXIMUM_LEAVES - 1;
    const radius = last ? 2 * width : radiusOf(u, smallest, largest);
    const x = last ? width / 2 : cx * (width + 2 * radius) - radius;
    const y = last ? width / 2 : cy * (width + 2 * radius) - radius;
    const [r, g, b] = leafColor(palette, tint);
    const top = Math.max(0, Math.floor(y - radius));
    const bottom = Math.min(width - 1, Math.ceil(y + radius));
    for (let row = top; row <= bottom; row++) {
      const reach = Math.sqrt(Math.max(0, radius * radius - (row + 0.5 - y) ** 2));
      const left = Math.max(0, Math.ceil(x - reach - 0.5));
      const right = Math.min(width - 1, Math.floor(x + reach - 0.5));
      for (let column = left; column <= right; column++) {
        const pixel = row * width + column;
        if (covered[pixel]) continue;
        covered[pixel] = 1;
        empty--;
        color[3 * pixel] = r;
        color[3 * pixel + 1] = g;
        color[3 * pixel + 2] = b;
      }
    }
  }
  return averaged(color, size);
}

/** Inverse of the distribution function of a density ~ r^-3 on [smallest, largest]. */
function radiusOf(u: number, smallest: number, largest: number): number {
  const a = smallest ** -2;
  const b = largest ** -2;
  return (a - u * (a - b)) ** -0.5;
}

/** Mixes the image's two base colors by one draw and shades the mixture by another; in [-1, 1]. */
function leafColor(palette: Float64Array, tint: readonly number[]): [number, number, number] {
  const [mix, shade, warmth] = tint;
  const channel = (c: number) => {
    const base = palette[c] * (1 - mix) + palette[3 + c] * mix;
    return Math.min(1, Math.max(-1, 1.6 * (base - 0.5) + 1.1 * (shade - 0.5) + 0.5 * (warmth - 0.5) * (c - 1)));
  };
  return [channel(0), channel(1), channel(2)];
}

/** Means of SUPERSAMPLING x SUPERSAMPLING blocks, from [-1, 1] to bytes. */
function averaged(color: Float32Array, size: number): Uint8Array {
  const width = size * SUPERSAMPLING;
  const result = new Float32Array(size * size * 3);
  for (let row = 0; row < width; row++) {
    for (let column = 0; column < width; column++) {
      const target = 3 * (Math.floor(row / SUPERSAMPLING) * size + Math.floor(column / SUPERSAMPLING));
      const source = 3 * (row * width + column);
      for (let c = 0; c < 3; c++) result[target + c] += color[source + c] / SUPERSAMPLING ** 2;
    }
  }
  return Uint8Array.from(result, (value) => Math.round((value + 1) * 127.5));
}
