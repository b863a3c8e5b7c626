import { foldIn, type RandomKey, uniformArray } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../user-error';
import type { ImageDataset } from '../image-dataset';
import { DecodePool, DecodeThreadError } from './decode-pool';
import type { PictureSource } from './picture-source';

export type PictureDatasetOptions = {
  /** Height and width of the images, in pixels. */
  readonly size: number;
  /** What the shorter side of a picture is scaled to; `size` by default. With false nothing is scaled. */
  readonly resize?: number | false | undefined;
  /** Where the square is cut from a picture; `random` only where a key is given. `center` by default. */
  readonly crop?: 'center' | 'random' | undefined;
  /** Takes a line for each picture that cannot be used. */
  readonly report?: (line: string) => void;
  readonly pool?: DecodePool;
};

/** Batches that are decoded ahead are forgotten beyond so many pictures: nobody asked for them. */
const MAXIMUM_AHEAD = 4096;

/**
 * Pictures of a source, read and decoded when they are asked for, in threads of their own. In place of one that cannot be
 * read stands the next one of the same class, always the same: it is named and counted.
 */
export class PictureDataset implements ImageDataset {
  readonly size: number;
  readonly #pool: DecodePool;
  readonly #ahead = new Map<string, Promise<Uint8Array>>();
  /** The picture that stands in for one that cannot be read. */
  readonly #substitutes = new Map<number, number>();
  /** Why pictures cannot be read, by index. */
  readonly #broken = new Map<number, string>();

  constructor(
    private readonly source: PictureSource,
    private readonly options: PictureDatasetOptions,
  ) {
    this.size = options.size;
    this.#pool = options.pool ?? new DecodePool();
  }

  get description(): string {
    return `${this.length.toLocaleString('en')} ${this.source.description} at ${this.size} px`;
  }

  get length(): number {
    return this.source.length;
  }

  get labels(): Int32Array | undefined {
    return this.source.labels;
  }

  get classNames(): readonly string[] | undefined {
    return this.source.classNames;
  }

  get groups(): readonly number[] | undefined {
    return this.source.groups;
  }

  get captions(): PictureSource['captions'] {
    return this.source.captions;
  }

  /** How many pictures could not be read so far. */
  get brokenCount(): number {
    return this.#broken.size;
  }

  sourceOf(index: number): number {
    return this.#substitutes.get(index) ?? index;
  }

  async batch(indices: ArrayLike<number>, key?: RandomKey): Promise<Tensor4D> {
    const places = this.#places(indices.length, key);
    const images = await Promise.all(Array.from(indices, (index, i) => this.#taken(index, places[i])));
    const pixels = this.size * this.size * 3;
    const data = new Float32Array(images.length * pixels);
    for (const [i, image] of images.entries()) {
      for (let j = 0; j < pixels; j++) data[i * pixels + j] = image[j] / 127.5 - 1;
    }
    return tf.tensor4d(data, [images.length, this.size, this.size, 3]);
  }

  prefetch(indices: ArrayLike<number>, key?: RandomKey): void {
    const places = this.#places(indices.length, key);
    for (let i = 0; i < indices.length && this.#ahead.size < MAXIMUM_AHEAD; i++) {
      const name = `${indices[i]} ${places[i]}`;
      if (this.#ahead.has(name)) continue;
      const image = this.#image(indices[i], places[i]);
      image.catch(() => {}); // said where it is taken
      this.#ahead.set(name, image);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#ahead.values());
    this.#ahead.clear();
    await this.#pool.close();
    await this.source.close();
  }

  #taken(index: number, place: readonly [number, number]): Promise<Uint8Array> {
    const name = `${index} ${place}`;
    const ahead = this.#ahead.get(name);
    this.#ahead.delete(name);
    return ahead ?? this.#image(index, place);
  }

  /** Where each image's square lies. */
  #places(count: number, key: RandomKey | undefined): readonly (readonly [number, number])[] {
    if (this.options.crop !== 'random' || !key) return Array.from({ length: count }, () => [0.5, 0.5] as const);
    const draws = uniformArray(foldIn(key, 'crop'), 2 * count);
    return Array.from({ length: count }, (_, i) => [draws[2 * i], draws[2 * i + 1]] as const);
  }

  async #image(index: number, place: readonly [number, number]): Promise<Uint8Array> {
    const { length, labels } = this.source;
    for (let step = 0; step < length; step++) {
      const candidate = (index + step) % length;
      if (this.#broken.has(candidate) || labels?.[candidate] !== labels?.[index]) continue;
      try {
        const { size, resize } = this.options;
        const image = await this.#pool.decode(await this.source.read(candidate), { size, resize, place });
        if (candidate !== index) this.#substitutes.set(index, candidate);
        return image;
      } catch (error) {
        if (error instanceof DecodeThreadError) throw error;
        this.#skip(candidate, (error as Error).message.split('\n')[0]);
      }
    }
    const what = labels === undefined ? 'none of its pictures' : `no picture of class ${labels[index]}`;
    throw new UserError(
      `data: ${this.source.description}: ${what} can be read; ${this.source.name(index)}: ${this.#broken.get(index)}`,
    );
  }

  #skip(index: number, reason: string): void {
    if (this.#broken.has(index)) return;
    this.#broken.set(index, reason);
    this.options.report?.(`skipped ${this.source.name(index)}: ${reason}`);
  }
}
