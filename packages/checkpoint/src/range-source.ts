import { CheckpointError } from './checkpoint-error';

/** A file that can be read by ranges: a file handle, a Blob, a URL that serves ranges. */
export type RangeSource = {
  /** Bytes of the whole file. */
  readonly size: number;
  /** Exactly `length` bytes from `offset` on; asked only for ranges within `size`, and never for none. */
  read(offset: number, length: number): Promise<Uint8Array>;
};

/** A range of a file that a reading asks for; `part` names it in messages. */
export type Read = { readonly part: string; readonly offset: number; readonly length: number };

/**
 * What is read of a file, free of how: it yields ranges and is given their bytes. One such reading serves files in
 * memory (`readNow`) and files by ranges (`readLater`).
 */
export type Reading<T> = Generator<Read, T, Uint8Array>;

/** Asks for a range within the file; `yield* read(...)` gives its bytes. */
export function* read(part: string, offset: number, length: number): Reading<Uint8Array> {
  return length === 0 ? new Uint8Array(0) : yield { part, offset, length };
}

/** Runs a reading on a file in memory; the bytes that it is given share that memory. */
export function readNow<T>(bytes: Uint8Array, reading: Reading<T>): T {
  let step = reading.next();
  while (!step.done) {
    const { offset, length } = step.value;
    // Not subarray, which would hand on the class of a Node Buffer.
    step = reading.next(new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length));
  }
  return step.value;
}

/** Runs a reading on a file by ranges. @throws CheckpointError naming `op` where `read` returns another length. */
export async function readLater<T>(op: string, source: RangeSource, reading: Reading<T>): Promise<T> {
  let step = reading.next();
  while (!step.done) {
    const { part, offset, length } = step.value;
    const bytes = await source.read(offset, length);
    if (bytes.length !== length) {
      throw new CheckpointError(op, part, `${length} bytes at ${offset}`, `${bytes.length}`);
    }
    step = reading.next(bytes);
  }
  return step.value;
}

/** @throws CheckpointError naming `op` where the size is none. */
export function checkSize(op: string, { size }: RangeSource): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new CheckpointError(op, 'size', 'an integer of 0 .. 2^53 - 1', `${size}`);
  }
}
