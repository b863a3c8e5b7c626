import { appendShard, encodedLength, type LatentIndex, shardLength } from './latent-shards';

export type ShardWriterOptions = {
  readonly shardBytes?: number | undefined;
  /** Classes of a run of images whose values have been added. */
  readonly labels?: (first: number, count: number) => Int32Array | undefined;
};

/** Gathers values as they come and writes a shard whenever there are enough for one, and the last one. */
export class ShardWriter {
  #index: LatentIndex;
  #waiting: Float32Array[] = [];
  #done: number;

  /** @param index of a folder that is begun, or gone on with. */
  constructor(
    private readonly folder: string,
    index: LatentIndex,
    private readonly options: ShardWriterOptions = {},
  ) {
    this.#index = index;
    this.#done = encodedLength(index);
  }

  /** @param values of one or more images. @throws {UserError} where a shard cannot be written. */
  async add(values: Float32Array): Promise<void> {
    const { shape } = this.#index;
    const size = shape[1] * shape[2] * shape[3];
    const shard = shardLength(shape, this.options.shardBytes);
    this.#waiting.push(values);
    for (;;) {
      const rows = this.#waiting.reduce((sum, part) => sum + part.length, 0) / size;
      const isLast = this.#done + rows === shape[0];
      if (rows === 0 || (rows < shard && !isLast)) return;
      const all = concatenated(this.#waiting);
      const taken = Math.min(shard, rows);
      const labels = this.options.labels?.(this.#done, taken);
      this.#index = await appendShard(this.folder, this.#index, { values: all.subarray(0, taken * size), labels });
      this.#done += taken;
      this.#waiting = taken < rows ? [all.slice(taken * size)] : [];
    }
  }
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
