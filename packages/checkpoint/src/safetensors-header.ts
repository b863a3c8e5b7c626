import { CheckpointError } from './checkpoint-error';
import { JsonReader } from './json-reader';
import { quote } from './quote';
import { bytesPerElement, DTYPES, type DType, describeShape, elementCount, isDType } from './tensor-view';

/** Bytes of the header's length, an unsigned little-endian integer at the start of the file. */
export const LENGTH_BYTES = 8;

/** Longest header that the official implementation reads, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** The header's one key that is not a tensor's name. */
export const METADATA_KEY = '__metadata__';

/** More than any array library has, and few enough that a hostile shape stays small. */
export const MAX_DIMENSIONS = 64;

/** V8 takes quadratic time beyond 2^23 keys of one object: a file of 100 MB would keep it busy for hours. */
export const MAX_METADATA_KEYS = 100_000;

const OPENING_BRACE = 0x7b;

/** What the header says of one tensor. */
export type TensorInfo = {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte, and the byte after the last, counted from the end of the header. */
  readonly dataOffsets: readonly [begin: number, end: number];
};

export type SafetensorsHeader = {
  /** Without a prototype: nothing but the file's own keys. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
};

type Fail = (part: string, expected: string, actual: string) => CheckpointError;

/**
 * Reads the header's length from the file's first bytes.
 * @param start the first 8 bytes, or all where the file is shorter.
 * @param size bytes of the whole file.
 * @throws CheckpointError naming `op`.
 */
export function parseHeaderLength(op: string, start: Uint8Array, size: number): number {
  if (size < LENGTH_BYTES) throw new CheckpointError(op, 'file', `at least ${LENGTH_BYTES} bytes`, `${size}`);
  const claimed = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (claimed > MAX_HEADER_BYTES) {
    throw new CheckpointError(op, 'header length', `at most ${MAX_HEADER_BYTES} bytes`, `${claimed}`);
  }
  const length = Number(claimed);
  const rest = size - LENGTH_BYTES;
  if (length > rest) {
    throw new CheckpointError(op, 'header length', `at most the ${rest} bytes that follow it`, `${length}`);
  }
  return length;
}

/**
 * Parses and checks a header as the official implementation does: known dtypes, shapes that agree with the byte ranges,
 * ranges that start at 0, leave no hole, do not overlap and end with the file. Beyond it, refused are a header that
 * does not begin with `{` and duplicate keys, both as the format's description has it, integers and element counts
 * from 2^53 on, more than 64 dimensions, and more than 100,000 metadata keys.
 * @param bytes the header without its length.
 * @param dataSize bytes of the file after the header.
 * @throws CheckpointError naming `op`.
 */
export function parseHeader(op: string, bytes: Uint8Array, dataSize: number): SafetensorsHeader {
  const fail: Fail = (part, expected, actual) => new CheckpointError(op, part, expected, actual);
  const json = new JsonReader(decodeUtf8(op, bytes), (expected, actual) => fail('header', expected, actual));
  if (json.kind() !== 'an object') throw fail('header', 'an object', json.kind());
  if (bytes[0] !== OPENING_BRACE) throw fail('header', 'an object from its first byte on', 'white space before it');
  let metadata: Record<string, string> | undefined;
  const tensors = new Map<string, TensorInfo>();
  json.object((key) => {
    if (key === METADATA_KEY) {
      if (metadata !== undefined) throw fail('header', ...twice(key));
      metadata = readMetadata(json, fail);
    } else {
      if (tensors.has(key)) throw fail('header', ...twice(key));
      tensors.set(key, readTensorInfo(json, key, dataSize, fail));
    }
  });
  json.end();
  checkCoverage(tensors, dataSize, fail);
  return { metadata: metadata ?? emptyMetadata(), tensors };
}

function decodeUtf8(op: string, bytes: Uint8Array): string {
  try {
    // ignoreBOM keeps a byte order mark in the text, where JSON refuses it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CheckpointError(op, 'header', 'UTF-8', 'other bytes');
  }
}

/** What was expected and what was found where a key is given again, which the format forbids. */
function twice(key: string): [expected: string, actual: string] {
  return ['free of duplicate keys', `${quote(key)} twice`];
}

function emptyMetadata(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}

function readMetadata(json: JsonReader, fail: Fail): Record<string, string> {
  const metadata = emptyMetadata();
  const kind = json.kind();
  if (kind === 'null') {
    // Taken for no metadata, as the official implementation does.
    json.ignore();
    return metadata;
  }
  if (kind !== 'an object') throw fail(METADATA_KEY, 'an object of strings', kind);
  let count = 0;
  json.object((key) => {
    if (Object.hasOwn(metadata, key)) throw fail(METADATA_KEY, ...twice(key));
    if (++count > MAX_METADATA_KEYS) throw fail(METADATA_KEY, `of at most ${MAX_METADATA_KEYS} keys`, 'more');
    if (json.kind() !== 'a string') throw fail(`${METADATA_KEY} ${quote(key)}`, 'a string', json.kind());
    metadata[key] = json.string();
  });
  return metadata;
}

function readTensorInfo(json: JsonReader, name: string, dataSize: number, failPart: Fail): TensorInfo {
  const fail: Fail = (part, expected, actual) => failPart(`tensor ${quote(name)}${part}`, expected, actual);
  if (json.kind() !== 'an object') throw fail('', 'an object with dtype, shape and data_offsets', json.kind());
  let dtype: DType | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  json.object((key) => {
    switch (key) {
      case 'dtype':
        if (dtype !== undefined) throw fail('', ...twice(key));
        dtype = readDType(json, fail);
        break;
      case 'shape':
        if (shape !== undefined) throw fail('', ...twice(key));
        shape = readIntegers(json, ' shape', MAX_DIMENSIONS, fail);
        break;
      case 'data_offsets':
        if (offsets !== undefined) throw fail('', ...twice(key));
        offsets = readIntegers(json, ' data_offsets', 2, fail);
        break;
      default:
        json.ignore();
    }
  });
  if (dtype === undefined) throw fail(' dtype', 'given', 'none');
  if (shape === undefined) throw fail(' shape', 'given', 'none');
  if (offsets === undefined) throw fail(' data_offsets', 'given', 'none');
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined) throw fail(' data_offsets', '2 integers', `${offsets.length}`);
  checkRange(dtype, shape, [begin, end], dataSize, fail);
  return { dtype, shape, dataOffsets: [begin, end] };
}

function readDType(json: JsonReader, fail: Fail): DType {
  if (json.kind() !== 'a string') throw fail(' dtype', 'a string', json.kind());
  const dtype = json.string();
  if (!isDType(dtype)) throw fail(' dtype', `one of ${DTYPES.join(', ')}`, quote(dtype));
  return dtype;
}

function readIntegers(json: JsonReader, part: string, limit: number, fail: Fail): number[] {
  if (json.kind() !== 'an array') throw fail(part, 'an array of integers', json.kind());
  const integers: number[] = [];
  json.array((i) => {
    if (i === limit) throw fail(part, `at most ${limit} integers`, 'more');
    const kind = json.kind();
    const text = kind === 'a number' ? json.number() : kind;
    // Anything longer than 16 digits is beyond 2^53, and not worth a conversion that might be of megabytes.
    const value = text.length <= 16 && /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) {
      throw fail(`${part}[${i}]`, 'an integer of 0 .. 2^53 - 1', text.length > 40 ? `${text.slice(0, 40)}...` : text);
    }
    integers.push(value);
  });
  return integers;
}

function checkRange(
  dtype: DType,
  shape: readonly number[],
  [begin, end]: readonly [number, number],
  dataSize: number,
  fail: Fail,
): void {
  const range = `[${begin}, ${end}]`;
  if (begin > end) throw fail(' data_offsets', 'ascending', range);
  if (end > dataSize) throw fail(' data_offsets', `within the ${dataSize} bytes after the header`, range);
  const count = elementCount(shape);
  if (count === undefined) throw fail(' shape', 'of less than 2^53 elements', describeShape(shape));
  const bytes = count * bytesPerElement(dtype);
  if (bytes !== end - begin) {
    const expected = `${bytes} bytes apart for ${dtype} ${describeShape(shape)}`;
    throw fail(' data_offsets', expected, `${range}, which is ${end - begin}`);
  }
}

/** The tensors' ranges, in the order of their offsets, must follow each other from the first byte to the last. */
function checkCoverage(tensors: ReadonlyMap<string, TensorInfo>, dataSize: number, fail: Fail): void {
  const sorted = [...tensors].sort(([, { dataOffsets: a }], [, { dataOffsets: b }]) => a[0] - b[0] || a[1] - b[1]);
  let covered = 0;
  for (const [name, { dataOffsets }] of sorted) {
    const [begin, end] = dataOffsets;
    if (begin !== covered) {
      const fault = begin > covered ? 'a hole' : 'an overlap';
      const expected = `from ${covered} on, where the tensors before it end`;
      throw fail(`tensor ${quote(name)} data_offsets`, expected, `[${begin}, ${end}], ${fault}`);
    }
    covered = end;
  }
  if (covered !== dataSize) {
    throw fail('data after the header', `${covered} bytes, where the last tensor ends`, `${dataSize}`);
  }
}
