import { CheckpointError } from './checkpoint-error';
import { quote } from './quote';
import { LENGTH_BYTES, MAX_DIMENSIONS, MAX_HEADER_BYTES, MAX_METADATA_KEYS, METADATA_KEY } from './safetensors-header';
import { bytesPerElement, checkView, type StateDict, type TensorView } from './tensor-view';
import { isWellFormed } from './unicode';

const OP = 'writeSafetensors';

/**
 * Writes a safetensors file. The same arguments give the same bytes.
 *
 * The header lists metadata and tensors in the order given, padded with spaces to a multiple of 8 bytes. The data
 * lies in the order given too, but 8-byte elements before 4-byte ones and so on, as the official implementation has
 * it: every tensor is then aligned to its element, without which PyTorch cannot load it.
 * @param tensors borrowed; the file holds copies.
 * @param metadata the header's `__metadata__`; none by default.
 * @throws CheckpointError on a name that is reserved or has no UTF-8 form, data whose length disagrees with dtype and
 * shape, more than 64 dimensions, metadata other than strings or of more than 100,000 keys, and a header above 100 MB, which the official implementation would not read.
 * @see https://github.com/huggingface/safetensors#format
 */
export function writeSafetensors(
  tensors: StateDict,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const pieces = safetensorsPieces(tensors, metadata);
  const file = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  return file;
}

/**
 * The same file in pieces, one after the other: the header, then each tensor's data, which is not copied. So a file may
 * be larger than one array can be.
 * @param tensors borrowed for as long as the pieces are used. @param metadata as `writeSafetensors` takes it.
 * @throws CheckpointError as `writeSafetensors`.
 */
export function safetensorsPieces(tensors: StateDict, metadata?: Readonly<Record<string, string>>): Uint8Array[] {
  for (const [name, view] of tensors) {
    checkText('tensor name', name);
    if (name === METADATA_KEY) throw new CheckpointError(OP, 'tensor name', `other than ${METADATA_KEY}`, 'just that');
    checkView(OP, `tensor ${quote(name)}`, view);
    if (view.shape.length > MAX_DIMENSIONS) {
      const actual = `${view.shape.length}`;
      throw new CheckpointError(OP, `tensor ${quote(name)} shape`, `of at most ${MAX_DIMENSIONS} dimensions`, actual);
    }
  }
  const begins = layOut(tensors);
  const entries: string[] = [];
  if (metadata !== undefined) entries.push(`${JSON.stringify(METADATA_KEY)}:${metadataJson(metadata)}`);
  for (const [name, { dtype, shape, data }] of tensors) {
    const begin = begins.get(name)!;
    const info = { dtype, shape, data_offsets: [begin, begin + data.length] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
  }
  const header = new TextEncoder().encode(`{${entries.join(',')}}`);
  const headerSize = Math.ceil(header.length / LENGTH_BYTES) * LENGTH_BYTES;
  if (headerSize > MAX_HEADER_BYTES) {
    throw new CheckpointError(OP, 'header', `at most ${MAX_HEADER_BYTES} bytes`, `${headerSize}`);
  }
  const start = new Uint8Array(LENGTH_BYTES + headerSize).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(headerSize), true);
  start.set(header, LENGTH_BYTES);
  return [start, ...[...begins.keys()].map((name) => tensors.get(name)!.data)];
}

/** Where each tensor's data begins, in the order of the file: widest elements first, else in the order given (sorting is stable). */
function layOut(tensors: StateDict): ReadonlyMap<string, number> {
  const width = ([, view]: [string, TensorView]) => bytesPerElement(view.dtype);
  let offset = 0;
  return new Map(
    [...tensors]
      .sort((a, b) => width(b) - width(a))
      .map(([name, { data }]) => {
        const begin = offset;
        offset += data.length;
        return [name, begin];
      }),
  );
}

function metadataJson(metadata: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(metadata);
  if (pairs.length > MAX_METADATA_KEYS) {
    throw new CheckpointError(OP, 'metadata', `of at most ${MAX_METADATA_KEYS} keys`, `${pairs.length}`);
  }
  const entries = pairs.map(([key, text]) => {
    checkText('metadata key', key);
    if (typeof text !== 'string') {
      throw new CheckpointError(OP, `metadata ${quote(key)}`, 'a string', typeof text);
    }
    checkText(`metadata ${quote(key)}`, text);
    return `${JSON.stringify(key)}:${JSON.stringify(text)}`;
  });
  return `{${entries.join(',')}}`;
}

function checkText(part: string, text: string): void {
  if (!isWellFormed(text)) throw new CheckpointError(OP, part, 'well-formed Unicode', quote(text));
}
