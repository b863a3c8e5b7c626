import { CheckpointError } from './checkpoint-error';
import { quote } from './quote';
import { checkSize, type RangeSource, type Reading, read, readLater } from './range-source';
import {
  LENGTH_BYTES,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorInfo,
} from './safetensors-header';
import type { TensorFile } from './tensor-file';
import type { TensorView } from './tensor-view';

/** An open safetensors file, of which only the header is in memory. */
export type SafetensorsFile = Omit<TensorFile, 'info'> & {
  /** The header's `__metadata__`, empty where it has none; an object without a prototype. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Dtype, shape and place of a tensor, without reading it. @throws CheckpointError where there is none. */
  info(name: string): TensorInfo;
};

/**
 * Opens a safetensors file for reading by ranges. Two reads bring and check the header, one more each tensor.
 * @throws CheckpointError on anything that the format does not allow and where `read` returns another length;
 * what `read` itself throws passes through.
 * @see https://github.com/huggingface/safetensors#format
 */
export async function openSafetensors(source: RangeSource): Promise<SafetensorsFile> {
  const op = 'openSafetensors';
  checkSize(op, source);
  const { metadata, tensors, dataStart } = await readLater(op, source, readHeader(op, source.size));
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
    const part = `tensor ${quote(name)} data`;
    return { dtype, shape, data: await readLater(op, source, read(part, dataStart + begin, end - begin)) };
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

function* readHeader(op: string, size: number): Reading<SafetensorsHeader & { dataStart: number }> {
  const start = yield* read('header length', 0, Math.min(LENGTH_BYTES, size));
  const length = parseHeaderLength(op, start, size);
  const dataStart = LENGTH_BYTES + length;
  return { ...parseHeader(op, yield* read('header', LENGTH_BYTES, length), size - dataStart), dataStart };
}
