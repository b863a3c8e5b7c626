import { CheckpointError } from './checkpoint-error';
import { quote } from './quote';
import { LENGTH_BYTES, parseHeader, parseHeaderLength, type TensorInfo } from './safetensors-header';
import type { TensorView } from './tensor-view';

/** A file that can be read by ranges: a file handle, a Blob, a URL that serves ranges. */
export type RangeSource = {
  /** Bytes of the whole file. */
  readonly size: number;
  /** Exactly `length` bytes from `offset` on; asked only for ranges within `size`, and never for none. */
  read(offset: number, length: number): Promise<Uint8Array>;
};

/** An open safetensors file, of which only the header is in memory. */
export type SafetensorsFile = {
  /** In the header's order. */
  readonly names: readonly string[];
  /** The header's `__metadata__`, empty where it has none; an object without a prototype. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Dtype, shape and place of a tensor, without reading it. @throws CheckpointError where there is none. */
  info(name: string): TensorInfo;
  /** Reads one tensor; the view's data is what `read` returned. @throws CheckpointError where there is none. */
  tensor(name: string): Promise<TensorView>;
  /** All tensors in the header's order, one in memory at a time. */
  tensors(): AsyncIterable<[name: string, view: TensorView]>;
};

/**
 * Opens a safetensors file for reading by ranges. Two reads bring and check the header, one more each tensor.
 * @throws CheckpointError on anything that the format does not allow and where `read` returns another length;
 * what `read` itself throws passes through.
 * @see https://github.com/huggingface/safetensors#format
 */
export async function openSafetensors(source: RangeSource): Promise<SafetensorsFile> {
  const op = 'openSafetensors';
  if (!Number.isSafeInteger(source.size) || source.size < 0) {
    throw new CheckpointError(op, 'size', 'an integer of 0 .. 2^53 - 1', `${source.size}`);
  }
  const readPart = async (part: string, offset: number, length: number): Promise<Uint8Array> => {
    if (length === 0) return new Uint8Array(0);
    const bytes = await source.read(offset, length);
    if (bytes.length !== length) {
      throw new CheckpointError(op, part, `${length} bytes at ${offset}`, `${bytes.length}`);
    }
    return bytes;
  };
  const start = await readPart('header length', 0, Math.min(LENGTH_BYTES, source.size));
  const length = parseHeaderLength(op, start, source.size);
  const dataStart = LENGTH_BYTES + length;
  const headerBytes = await readPart('header', LENGTH_BYTES, length);
  const { metadata, tensors } = parseHeader(op, headerBytes, source.size - dataStart);

  const info = (name: string): TensorInfo => {
    const found = tensors.get(name);
    if (found === undefined) {
      throw new CheckpointError(op, 'name', `one of the file's ${tensors.size} tensors`, quote(name));
    }
    return found;
  };
  const tensor = async (name: string): Promise<TensorView> => {
    const { dtype, shape, dataOffsets } = info(name);
    const [begin, end] = dataOffsets;
    return { dtype, shape, data: await readPart(`tensor ${quote(name)} data`, dataStart + begin, end - begin) };
  };
  return {
    names: [...tensors.keys()],
    metadata,
    info,
    tensor,
    async *tensors() {
      for (const name of tensors.keys()) yield [name, await tensor(name)];
    },
  };
}
