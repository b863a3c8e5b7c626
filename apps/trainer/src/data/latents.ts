import { latentScaleFactor } from '@sd/autoencoder';
import { ArgumentError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { OpenProgress } from '../console/progress';
import type { AnyFirstStage } from '../files/first-stage-file';
import { UserError } from '../user-error';
import type { ImageDataset } from './image-dataset';
import {
  appendShard,
  encodedLength,
  type LatentIndex,
  newLatentIndex,
  type OpenShard,
  openShard,
  readLatentIndex,
  readShard,
  shardLength,
  shardsDigest,
  soundShards,
  writeLatentIndex,
} from './latent-shards';
import { ShardWriter } from './shard-writer';

const ENCODE_BATCH = 64;
/** Bytes of float32 values that are held in memory rather than read from disk at every use. */
const HELD_BYTES = 2 * 2 ** 30;

/** What is known of latents beside their values. */
export type LatentExtras = {
  /** A class for each. */
  readonly labels?: Int32Array | undefined;
  readonly classNames?: readonly string[] | undefined;
  /** Of the values, where they are in files. */
  readonly sha256?: string | undefined;
  /** Closes what `values` reads. */
  readonly close?: (() => Promise<void>) | undefined;
};

/** Encoded images, in memory or, where they are many, on disk: what the diffusion models are trained on. */
export class Latents {
  readonly labels: Int32Array | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly sha256: string | undefined;
  /** Closes the files of latents that are read from disk. */
  readonly close: () => Promise<void>;

  /**
   * @param values `[length, height, width, channels]`, already multiplied by the scale factor; or how to read the values
   * of one.
   * @param scaleFactor LDM's: divide a latent by it before it is decoded.
   */
  constructor(
    readonly values: Float32Array | ((index: number) => Promise<Float32Array>),
    readonly shape: readonly [number, number, number, number],
    readonly scaleFactor: number,
    /** What was encoded, by which first stage. */
    readonly description: string,
    { labels, classNames, sha256, close }: LatentExtras = {},
  ) {
    this.close = close ?? (async () => {});
    this.sha256 = sha256;
    this.labels = labels;
    this.classNames = classNames;
  }

  get length(): number {
    return this.shape[0];
  }

  /** `[indices, height, width, channels]`. Owned by the caller. */
  async batch(indices: ArrayLike<number>): Promise<Tensor4D> {
    const [length, height, width, channels] = this.shape;
    const size = height * width * channels;
    for (let i = 0; i < indices.length; i++) {
      if (indices[i] >= 0 && indices[i] < length) continue;
      throw new ArgumentError('Latents.batch', 'index', `an integer in [0, ${length})`, indices[i]);
    }
    const { values } = this;
    const row = async (index: number) =>
      typeof values === 'function' ? values(index) : values.subarray(index * size, (index + 1) * size);
    const rows = await Promise.all(Array.from(indices, row));
    const data = new Float32Array(indices.length * size);
    for (const [i, one] of rows.entries()) data.set(one, i * size);
    return tf.tensor4d(data, [indices.length, height, width, channels]);
  }

  /** Writes latents that are in memory as float16, in shards, and an index with their hashes. @throws {UserError} */
  async save(folder: string, shardBytes?: number): Promise<void> {
    const { values, labels } = this;
    if (typeof values === 'function') throw new ArgumentError('Latents.save', 'values', 'in memory', 'on disk');
    let index = this.#index();
    await writeLatentIndex(folder, index);
    const length = shardLength(index.shape, shardBytes);
    const size = values.length / this.length;
    for (let first = 0; first < this.length; first += length) {
      const last = Math.min(first + length, this.length);
      const shard = { values: values.subarray(first * size, last * size), labels: labels?.subarray(first, last) };
      index = await appendShard(folder, index, shard);
    }
  }

  #index(): LatentIndex {
    const { description, scaleFactor, shape, classNames } = this;
    const names = classNames ? { classNames: [...classNames] } : {};
    return newLatentIndex({ description, scaleFactor, shape: [...shape], identity: '', ...names });
  }

  /**
   * Opens a folder of latents. Every file is read once and checked against its hash; where they are more than 2 GB of
   * values, they are then read from disk at every use.
   * @throws {UserError} when the folder is missing, unfinished, broken, or of another format.
   */
  static async load(folder: string, heldBytes = HELD_BYTES): Promise<Latents> {
    const index = await readLatentIndex(folder);
    if (!index) throw new UserError(`there are no latents at ${folder}: make them with \`sd encode\``);
    const encoded = encodedLength(index);
    const [length] = index.shape;
    if (encoded !== length) {
      throw new UserError(`${folder} holds ${encoded} latents of ${length}: \`sd encode\` goes on from there`);
    }
    const size = index.shape.slice(1).reduce((a, b) => a * b);
    const held = 4 * length * size <= heldBytes;
    const { values, labels, close } = held ? await readAll(folder, index, size) : await openAll(folder, index);
    const { shape, scaleFactor, description, classNames } = index;
    const sha256 = shardsDigest(index);
    return new Latents(values, shape, scaleFactor, description, { labels, classNames, sha256, close });
  }
}

async function readAll(folder: string, index: LatentIndex, size: number) {
  const values = new Float32Array(index.shape[0] * size);
  const labels: Int32Array[] = [];
  let first = 0;
  for (const shard of index.shards.keys()) {
    const read = await readShard(folder, index, shard);
    values.set(read.values, first * size);
    if (read.labels) labels.push(read.labels);
    first += index.shards[shard].length;
  }
  return { values, labels: joinedLabels(labels), close: undefined };
}

async function openAll(folder: string, index: LatentIndex) {
  const shards: OpenShard[] = [];
  try {
    for (const shard of index.shards.keys()) shards.push(await openShard(folder, index, shard));
  } catch (error) {
    for (const shard of shards) await shard.close();
    throw error;
  }
  const length = index.shards[0].length; // of all but the last
  const values = (row: number) => shards[Math.floor(row / length)].row(row % length);
  const close = async () => {
    for (const shard of shards) await shard.close();
  };
  return { values, labels: joinedLabels(shards.flatMap(({ labels }) => (labels ? [labels] : []))), close };
}

function joinedLabels(parts: readonly Int32Array[]): Int32Array | undefined {
  return parts.length === 0 ? undefined : Int32Array.from(parts.flatMap((part) => [...part]));
}

export type EncodeOptions = {
  /** 1 / std of the first batch, as in LDM, unless it is given: a model that is already trained must see its own scale. */
  readonly scaleFactor?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Encodes a dataset into memory: the posterior's mean of a KL first stage, the latent before quantization of a VQ one.
 * @throws the signal's reason when it is aborted.
 */
export async function encodeDataset(
  autoencoder: AnyFirstStage,
  dataset: ImageDataset,
  openProgress: OpenProgress,
  options: EncodeOptions = {},
): Promise<Latents> {
  const encoded: Float32Array[] = [];
  const { shape, scaleFactor } = await encodeFrom(autoencoder, dataset, openProgress, 0, options, async (values) => {
    encoded.push(values);
  });
  const values = new Float32Array(shape.reduce((a, b) => a * b));
  let at = 0;
  for (const part of encoded) {
    values.set(part, at);
    at += part.length;
  }
  const { description, classNames } = dataset;
  const labels = labelsOf(dataset, 0, dataset.length);
  return new Latents(values, shape, scaleFactor, description, { labels, classNames });
}

/**
 * Encodes a dataset into a folder, shard by shard, going on where it was stopped.
 * @param options.identity of all that the latents depend on: a folder of another one is begun anew.
 * @throws the signal's reason when it is aborted; what is complete by then stays. @throws {UserError}
 */
export async function encodeIntoFolder(
  autoencoder: AnyFirstStage,
  dataset: ImageDataset,
  openProgress: OpenProgress,
  options: EncodeOptions & {
    readonly folder: string;
    readonly identity: string;
    /** Of one file. */
    readonly shardBytes?: number;
    readonly report?: (line: string) => void;
  },
): Promise<Latents> {
  const { folder, identity, shardBytes, report = () => {} } = options;
  const start = await startOf(folder, identity, dataset.length, report);
  const first = start ? encodedLength(start) : 0;
  if (start && first > 0) report(`${first} of ${dataset.length} images are encoded already`);
  if (first === dataset.length) return Latents.load(folder);
  const { classNames, description } = dataset;
  const names = classNames ? { classNames: [...classNames] } : {};
  const scaleFactor = start && first > 0 ? start.scaleFactor : options.scaleFactor;
  let writer: ShardWriter | undefined;
  await encodeFrom(autoencoder, dataset, openProgress, first, { ...options, scaleFactor }, async (values, encoding) => {
    const index = start ?? newLatentIndex({ description, identity, ...encoding, ...names });
    writer ??= new ShardWriter(folder, index, {
      shardBytes,
      labels: (from, count) => labelsOf(dataset, from, count),
    });
    await writer.add(values);
  });
  return Latents.load(folder);
}

/** What of a folder can be gone on with: nothing where it holds something else. */
export async function startOf(
  folder: string,
  identity: string,
  length: number,
  report: (line: string) => void,
): Promise<LatentIndex | undefined> {
  const found = await readLatentIndex(folder);
  if (!found) return undefined;
  if (found.identity === identity && found.shape[0] === length) return soundShards(folder, found, report);
  report(`${folder} holds something else: encoding anew`);
  return undefined;
}

/** Classes of images that have been read: those of the pictures that stand there. */
function labelsOf({ labels, sourceOf }: ImageDataset, first: number, count: number): Int32Array | undefined {
  return labels && Int32Array.from({ length: count }, (_, i) => labels[sourceOf?.(first + i) ?? first + i]);
}

type Encoding = { readonly shape: [number, number, number, number]; readonly scaleFactor: number };

/** Encodes from an image on; every batch is handed on, scaled. */
async function encodeFrom(
  autoencoder: AnyFirstStage,
  dataset: ImageDataset,
  openProgress: OpenProgress,
  from: number,
  options: EncodeOptions,
  take: (values: Float32Array, encoding: Encoding) => Promise<void>,
): Promise<Encoding> {
  const { signal } = options;
  const progress = openProgress('encode', dataset.length, 'image');
  let encoding: Encoding | undefined;
  try {
    for (let first = from; first < dataset.length; first += ENCODE_BATCH) {
      signal?.throwIfAborted();
      const batch = (start: number) =>
        Int32Array.from({ length: Math.min(ENCODE_BATCH, dataset.length - start) }, (_, i) => start + i);
      const next = first + ENCODE_BATCH;
      if (next < dataset.length) dataset.prefetch?.(batch(next));
      const images = await dataset.batch(batch(first));
      const z = encodeMean(autoencoder, images);
      images.dispose();
      const [, height, width, channels] = z.shape;
      encoding ??= {
        scaleFactor: options.scaleFactor ?? (await latentScaleFactor(z)),
        shape: [dataset.length, height, width, channels],
      };
      const values = Float32Array.from(await z.data());
      z.dispose();
      for (let i = 0; i < values.length; i++) values[i] *= encoding.scaleFactor;
      await take(values, encoding);
      progress.update(Math.min(next, dataset.length));
      await new Promise(setImmediate);
    }
  } finally {
    progress.stop();
  }
  if (!encoding) throw new ArgumentError('encodeDataset', 'dataset', 'at least one image', dataset.length);
  return encoding;
}

/** The latent of images, without noise and unscaled. @param images borrowed. @returns owned by the caller. */
export function encodeMean(autoencoder: AnyFirstStage, images: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    const encoded = autoencoder.kind === 'kl' ? autoencoder.encode(images).mode() : autoencoder.encode(images);
    return tf.clone(encoded);
  });
}

/** Images of scaled latents, in batches, clamped to [-1, 1]. @param latents borrowed. @returns owned by the caller. */
export function decodeLatents(autoencoder: AnyFirstStage, latents: Tensor4D, scaleFactor: number): Tensor4D {
  return tf.tidy(() => {
    const [count, height, width, channels] = latents.shape;
    const parts: Tensor4D[] = [];
    for (let first = 0; first < count; first += ENCODE_BATCH) {
      const size = Math.min(ENCODE_BATCH, count - first);
      const z = tf.slice(latents, [first, 0, 0, 0], [size, height, width, channels]);
      parts.push(tf.clipByValue(autoencoder.decode(tf.div(z, scaleFactor)), -1, 1));
    }
    return tf.concat(parts, 0);
  });
}
