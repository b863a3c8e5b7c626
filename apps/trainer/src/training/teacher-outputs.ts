import { float16View, toFloat32 } from '@sd/checkpoint';
import { checkShape } from '@sd/core';
import { type NamedShape, type PairedTensors, pairName } from '@sd/distill';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import {
  appendShard,
  encodedLength,
  type LatentIndex,
  newLatentIndex,
  openShard,
  readLatentIndex,
  readShard,
  shardLength,
  soundShards,
} from '../data/latent-shards';
import { checkWritable } from '../files/atomic-file';
import { UserError } from '../user-error';
import { differences } from './checkpoint';

/** Bytes of float16 values in one file: as much is lost at most when a run is killed. */
const SHARD_BYTES = 32 * 2 ** 20;
/** Bytes of float32 values that are held in memory rather than read from disk at every use. */
const HELD_BYTES = 2 * 2 ** 30;

const storedIdentity = z.looseObject({
  tensors: z.array(z.strictObject({ name: z.string(), height: z.int(), width: z.int(), channels: z.int() })),
});

export type TeacherOutputsOptions = {
  readonly folder: string;
  /** Of all that outputs depend on: the teacher, the data, the noise. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** How many there are to be. */
  readonly examples: number;
  /** What the student is compared with: the output and features. */
  readonly tensors: readonly NamedShape[];
  readonly report?: ((line: string) => void) | undefined;
  readonly shardBytes?: number;
  readonly heldBytes?: number;
};

/** Asks the teacher: its tensors at these examples, by pair. Owned by the caller. */
export type AskTeacher = (examples: Int32Array) => Promise<PairedTensors>;

type ReadRow = (row: number) => Float32Array | Promise<Float32Array>;

/**
 * What a teacher says of a finite set of noisy examples, in a folder: its output and the features that students are
 * compared with, as float16, in shards with their hashes. It fills up in order, whenever an example is asked for, and goes
 * on where it was stopped; a folder of another teacher, of other data or of other noise is refused.
 *
 * A value is rounded before it is used for the first time, so that it does not matter whether it was read or just made.
 */
export class TeacherOutputs {
  readonly examples: number;
  #index: LatentIndex;
  readonly #shards: ReadRow[];
  readonly #closes: (() => Promise<void>)[] = [];
  /** Rows after the last shard. */
  #tail: Float32Array;
  #kept: number;

  private constructor(
    private readonly folder: string,
    index: LatentIndex,
    shards: readonly (readonly [ReadRow, () => Promise<void>])[],
    /** All that is kept of an example, in this order. */
    private readonly stored: readonly NamedShape[],
    /** What is read of it. */
    private readonly wanted: readonly NamedShape[],
    private readonly limits: { readonly shardRows: number; readonly holds: boolean },
  ) {
    this.#index = index;
    this.examples = index.shape[0];
    this.#kept = encodedLength(index);
    this.#shards = shards.map(([read]) => read);
    this.#closes.push(...shards.map(([, close]) => close));
    this.#tail = new Float32Array(limits.shardRows * this.#rowSize);
  }

  /**
   * Opens a folder, or begins one; what is there is checked against its hashes.
   * @throws {UserError} where it holds something else or lacks a feature, which is said, and where the disk has no room.
   */
  static async open(options: TeacherOutputsOptions): Promise<TeacherOutputs> {
    const { folder, examples, report = () => {}, shardBytes = SHARD_BYTES, heldBytes = HELD_BYTES } = options;
    const tensors = options.tensors.map(({ name, height, width, channels }) => {
      return { name: pairName(name), height, width, channels };
    });
    const identity = { ...options.identity, examples };
    const found = await readLatentIndex(
      folder,
      `it is not of a teacher's outputs; name another folder as distillation.cache.folder`,
    );
    const stored = found ? storedTensors(folder, found, identity, tensors) : tensors;
    const size = rowSize(stored);
    const index = found
      ? await soundShards(folder, found, report)
      : newLatentIndex({
          description: `a teacher's outputs for ${examples} examples`,
          scaleFactor: 1,
          shape: [examples, 1, 1, size],
          identity: JSON.stringify({ ...identity, tensors: stored }),
        });
    const kept = encodedLength(index);
    const count = examples.toLocaleString('en');
    if (kept < examples) {
      const what = stored.map((one) => `${one.name} ${one.height}x${one.width}x${one.channels}`).join(', ');
      const there = kept > 0 ? `; ${kept.toLocaleString('en')} are there` : '';
      report(
        `the teacher's outputs for ${count} examples (${what}) take ${inBytes(2 * examples * size)} in ${folder}${there}`,
      );
      await checkWritable(folder, 2 * (examples - kept) * size);
    } else report(`the teacher's outputs for ${count} examples are read from ${folder}`);
    const shardRows = index.shards[0]?.length ?? shardLength(index.shape, shardBytes);
    const holds = 4 * examples * size <= heldBytes;
    const shards: (readonly [ReadRow, () => Promise<void>])[] = [];
    try {
      for (const shard of index.shards.keys()) shards.push(await openRows(folder, index, shard, holds));
      return new TeacherOutputs(folder, index, shards, stored, tensors, { shardRows, holds });
    } catch (error) {
      for (const [, close] of shards) await close();
      throw error;
    }
  }

  /** How many examples are kept, the first ones. */
  get kept(): number {
    return this.#kept;
  }

  /** How many of them are in whole files. */
  get written(): number {
    return encodedLength(this.#index);
  }

  /** Is the teacher not needed any more? */
  get isComplete(): boolean {
    return this.#kept === this.examples;
  }

  get #rowSize(): number {
    return rowSize(this.stored);
  }

  /**
   * Asks the teacher for the examples from the first that is not kept up to `count`, `chunk` at a time.
   * @throws {UserError} where a value has no float16, and where a file cannot be written. @throws the signal's reason.
   */
  async fill(
    count: number,
    chunk: number,
    ask: AskTeacher,
    options: { readonly onProgress?: (kept: number) => void; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    while (this.#kept < count) {
      options.signal?.throwIfAborted();
      const length = Math.min(chunk, count - this.#kept);
      const first = this.#kept;
      const taught = await ask(Int32Array.from({ length }, (_, i) => first + i));
      try {
        await this.#append(await this.#rows(taught, length));
      } finally {
        tf.dispose(taught);
      }
      options.onProgress?.(this.#kept);
      if (options.signal) await new Promise(setImmediate); // lets Ctrl-C through
    }
  }

  /** The tensors of examples that are kept, `[examples, height, width, channels]` by pair. Owned by the caller. */
  async batch(examples: ArrayLike<number>): Promise<PairedTensors> {
    const rows = await Promise.all(Array.from(examples, (example) => this.#row(example)));
    const tensors: Record<string, Tensor4D> = {};
    for (const { name, height, width, channels } of this.wanted) {
      const size = height * width * channels;
      const start = startOf(this.stored, name);
      const values = new Float32Array(rows.length * size);
      for (const [i, row] of rows.entries()) values.set(row.subarray(start, start + size), i * size);
      tensors[name] = tf.tensor4d(values, [rows.length, height, width, channels]);
    }
    return tensors;
  }

  async close(): Promise<void> {
    for (const close of this.#closes.splice(0)) await close();
  }

  #row(example: number): Float32Array | Promise<Float32Array> {
    const { shardRows } = this.limits;
    const shard = this.#shards[Math.floor(example / shardRows)];
    const row = example % shardRows;
    return shard ? shard(row) : this.#tail.subarray(row * this.#rowSize, (row + 1) * this.#rowSize);
  }

  /** Example by example, as they are kept. */
  async #rows(taught: PairedTensors, length: number): Promise<Float32Array> {
    const rows = new Float32Array(length * this.#rowSize);
    for (const { name, height, width, channels } of this.stored) {
      const tensor = taught[name] as Tensor4D;
      checkShape('TeacherOutputs.fill', name, tensor, [length, height, width, channels]);
      const values = toFloat32(float16View(Float32Array.from(await tensor.data()), tensor.shape));
      if (!values.every(Number.isFinite)) {
        throw new UserError(`the teacher's ${name} has values that float16 has not: its outputs cannot be kept`);
      }
      const [size, start] = [height * width * channels, startOf(this.stored, name)];
      for (let i = 0; i < length; i++) rows.set(values.subarray(i * size, (i + 1) * size), i * this.#rowSize + start);
    }
    return rows;
  }

  async #append(rows: Float32Array): Promise<void> {
    const { shardRows, holds } = this.limits;
    const size = this.#rowSize;
    for (let at = 0; at < rows.length; at += size) {
      this.#tail.set(rows.subarray(at, at + size), (this.#kept % shardRows) * size);
      this.#kept++;
      const waiting = this.#kept - shardRows * this.#shards.length;
      if (waiting < shardRows && !this.isComplete) continue;
      const values = this.#tail.subarray(0, waiting * size);
      this.#index = await appendShard(this.folder, this.#index, { values, labels: undefined });
      if (holds) {
        this.#shards.push(rowsIn(values, size));
        this.#tail = new Float32Array(this.isComplete ? 0 : this.#tail.length);
      } else {
        const [read, close] = await openRows(this.folder, this.#index, this.#shards.length, holds);
        this.#shards.push(read);
        this.#closes.push(close);
      }
    }
  }
}

/** What a folder keeps of each example. @throws {UserError} where it is of something else or lacks what is wanted. */
function storedTensors(
  folder: string,
  { identity: text, shape }: LatentIndex,
  wanted: Readonly<Record<string, unknown>>,
  tensors: readonly NamedShape[],
): readonly NamedShape[] {
  const parsed = storedIdentity.safeParse(jsonOrNothing(text));
  if (!parsed.success || rowSize(parsed.data.tensors) !== shape[3]) {
    throw new UserError(
      `${folder} does not hold a teacher's outputs: name another folder as distillation.cache.folder`,
    );
  }
  const { tensors: stored, ...identity } = parsed.data;
  const other = differences(identity, JSON.parse(JSON.stringify(wanted)));
  if (other.length > 0) {
    throw new UserError(
      `${folder} holds a teacher's outputs for something else: delete it, or name another folder as distillation.cache.folder\n  ${other.join('\n  ')}`,
    );
  }
  const isStored = (one: NamedShape) =>
    stored.some((other) => differences(other, { ...one, name: pairName(one.name) }).length === 0);
  const missing = tensors.filter((one) => !isStored(one)).map(({ name }) => name);
  if (missing.length === 0) return stored;
  throw new UserError(
    `${folder} keeps ${stored.map(({ name }) => name).join(', ')} of the teacher, not ${missing.join(', ')}: let the student with the most features fill it, or name another folder as distillation.cache.folder`,
  );
}

async function openRows(
  folder: string,
  index: LatentIndex,
  shard: number,
  holds: boolean,
): Promise<readonly [ReadRow, () => Promise<void>]> {
  if (holds) {
    const { values } = await readShard(folder, index, shard);
    return [rowsIn(values, index.shape[3]), async () => {}];
  }
  const open = await openShard(folder, index, shard);
  return [(row) => open.row(row), open.close];
}

function rowsIn(values: Float32Array, size: number): ReadRow {
  return (row) => values.subarray(row * size, (row + 1) * size);
}

function rowSize(tensors: readonly NamedShape[]): number {
  return tensors.reduce((sum, { height, width, channels }) => sum + height * width * channels, 0);
}

/** Where the values of a tensor begin in those of an example. */
function startOf(tensors: readonly NamedShape[], name: string): number {
  return rowSize(
    tensors.slice(
      0,
      tensors.findIndex((one) => one.name === name),
    ),
  );
}

function inBytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
