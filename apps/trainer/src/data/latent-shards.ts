import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { float16View, int32View, type TensorView, toFloat32, toInt32, writeSafetensors } from '@sd/checkpoint';
import { z } from 'zod';
import { writeAtomically } from '../files/atomic-file';
import { readCheckpointFile } from '../training/checkpoint';
import { UserError } from '../user-error';

const FORMAT = 'sd-latents-2';
const INDEX = 'latents.json';
/** Bytes of float16 values in one file. */
const SHARD_BYTES = 256 * 2 ** 20;

const count = z.int().positive();
const indexSchema = z.strictObject({
  format: z.literal(FORMAT),
  description: z.string(),
  scaleFactor: z.number().positive(),
  /** `[images, height, width, channels]`. */
  shape: z.tuple([count, count, count, count]),
  /** What was encoded, by what: a folder made of something else is not gone on with. */
  identity: z.string(),
  classNames: z.array(z.string()).optional(),
  shards: z.array(
    z.strictObject({ file: z.string().regex(/^\d{5}\.safetensors$/), length: count, sha256: z.string().length(64) }),
  ),
});

/** What a folder of latents says of itself; a file for every shard that is complete. */
export type LatentIndex = z.infer<typeof indexSchema>;

/** Values and labels of a run of images. */
export type LatentShard = { readonly values: Float32Array; readonly labels: Int32Array | undefined };

/** A folder that nothing is in yet. */
export function newLatentIndex(about: Omit<LatentIndex, 'format' | 'shards'>): LatentIndex {
  return { format: FORMAT, ...about, shards: [] };
}

/**
 * The whole of a folder's index, or nothing where there is none.
 * @param otherwise what to say where it is something else. @throws {UserError}
 */
export async function readLatentIndex(
  folder: string,
  otherwise = 'not an index of latents; make them with `sd encode`',
): Promise<LatentIndex | undefined> {
  const path = join(folder, INDEX);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new UserError(`cannot read ${path}: ${error.message}`);
  });
  if (text === undefined) return undefined;
  const parsed = indexSchema.safeParse(jsonOrNothing(text));
  if (parsed.success) return parsed.data;
  throw new UserError(`${path}: ${otherwise}`);
}

export async function writeLatentIndex(folder: string, index: LatentIndex): Promise<void> {
  await writeAtomically(join(folder, INDEX), `${JSON.stringify(index, null, 2)}\n`);
}

/** Images in one file. @param bytes of float16 values, at most, unless a single one has more. */
export function shardLength([length, height, width, channels]: LatentIndex['shape'], bytes = SHARD_BYTES): number {
  return Math.min(length, Math.max(1, Math.floor(bytes / (2 * height * width * channels))));
}

/** Writes the next shard, as float16, and then the index that has it. @returns that index. @throws {UserError} */
export async function appendShard(folder: string, index: LatentIndex, shard: LatentShard): Promise<LatentIndex> {
  const [, ...shape] = index.shape;
  const length = shard.values.length / shape.reduce((a, b) => a * b);
  const tensors = new Map<string, TensorView>([['latents', float16View(shard.values, [length, ...shape])]]);
  if (shard.labels) tensors.set('labels', int32View(shard.labels, [length]));
  const bytes = writeSafetensors(tensors);
  const file = `${String(index.shards.length).padStart(5, '0')}.safetensors`;
  await writeAtomically(join(folder, file), bytes);
  const next = { ...index, shards: [...index.shards, { file, length, sha256: sha256(bytes) }] };
  await writeLatentIndex(folder, next);
  return next;
}

/** The SHA-256 of those of the shards. */
export function shardsDigest({ shards }: LatentIndex): string {
  return sha256(new TextEncoder().encode(shards.map((shard) => shard.sha256).join('\n')));
}

/** Images in the shards of an index. */
export function encodedLength({ shards }: LatentIndex): number {
  return shards.reduce((sum, { length }) => sum + length, 0);
}

/**
 * The shards that are there as they were written, up to the first that is not: from there they are made again.
 * @param report takes a line for each that is not.
 */
export async function soundShards(
  folder: string,
  index: LatentIndex,
  report: (line: string) => void,
): Promise<LatentIndex> {
  for (const [i, { file, sha256: expected }] of index.shards.entries()) {
    const actual = await fileSha256(join(folder, file));
    if (actual === expected) continue;
    report(
      `${join(folder, file)} is ${actual === undefined ? 'missing' : 'not what was written'}: made again from there`,
    );
    return { ...index, shards: index.shards.slice(0, i) };
  }
  return index;
}

/** Reads a shard whole. @throws {UserError} where it is not what was written. */
export async function readShard(folder: string, index: LatentIndex, shard: number): Promise<LatentShard> {
  const path = await checkedShard(folder, index, shard);
  const { tensors } = await readCheckpointFile(path);
  const { length } = index.shards[shard];
  const [latents, labels] = [tensors.get('latents'), tensors.get('labels')];
  const expected = [length, ...index.shape.slice(1)];
  if (latents?.shape.join() !== expected.join())
    throw new UserError(`${path}: it has no latents [${expected.join(', ')}]`);
  return { values: toFloat32(latents), labels: labels && toInt32(labels) };
}

/** An open shard, read row by row. */
export type OpenShard = {
  readonly labels: Int32Array | undefined;
  /** Values of one image. */
  row(index: number): Promise<Float32Array>;
  close(): Promise<void>;
};

/** Opens a shard for reading by rows. @throws {UserError} where it is not what was written. */
export async function openShard(folder: string, index: LatentIndex, shard: number): Promise<OpenShard> {
  const path = await checkedShard(folder, index, shard);
  const { labels } = await readShard(folder, index, shard);
  const [, ...shape] = index.shape;
  const handle = await open(path);
  const rowBytes = 2 * shape.reduce((a, b) => a * b);
  const start = await latentsStart(handle);
  return {
    labels,
    async row(row) {
      const data = new Uint8Array(rowBytes);
      await handle.read(data, 0, rowBytes, start + row * rowBytes);
      return toFloat32({ dtype: 'F16', shape, data });
    },
    close: () => handle.close(),
  };
}

/** Where the values of `latents` begin. The file has been read whole before, so it is one. */
async function latentsStart(handle: FileHandle): Promise<number> {
  const start = new DataView(new ArrayBuffer(8));
  await handle.read(start, 0, 8, 0);
  const length = Number(start.getBigUint64(0, true));
  const header = Buffer.alloc(length);
  await handle.read(header, 0, length, 8);
  const { latents } = JSON.parse(header.toString('utf8')) as { latents: { data_offsets: [number, number] } };
  return 8 + length + latents.data_offsets[0];
}

async function checkedShard(folder: string, index: LatentIndex, shard: number): Promise<string> {
  const { file, sha256: expected } = index.shards[shard];
  const path = join(folder, file);
  const actual = await fileSha256(path);
  if (actual === expected) return path;
  throw new UserError(
    `${path} is ${actual === undefined ? 'missing' : 'not what was written'}: \`sd encode\` makes it again`,
  );
}

async function fileSha256(path: string): Promise<string | undefined> {
  return readFile(path).then(sha256, () => undefined);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
