import { CheckpointError } from './checkpoint-error';
import { checkFileName } from './file-name';
import { JsonReader } from './json-reader';
import { openSafetensors, type SafetensorsFile } from './open-safetensors';
import { quote } from './quote';
import type { RangeSource } from './range-source';
import { MAX_METADATA_KEYS } from './safetensors-header';
import type { TensorFile } from './tensor-file';

const OP = 'openSafetensorsShards';

/** Longest index that is read, in bytes; those of the largest models have a few hundred thousand. */
const MAX_INDEX_BYTES = 100_000_000;

/** More than any model is cut into; each is opened. */
const MAX_SHARDS = 10_000;

/** A checkpoint in several safetensors files, of which only the index and the headers are in memory. */
export type SafetensorsShards = TensorFile & {
  /** The files, in the order in which the index names them first. */
  readonly files: readonly string[];
  /** The index's `metadata`: texts, and numbers as they are spelt, `total_size` for one. Without a prototype. */
  readonly metadata: Readonly<Record<string, string>>;
};

/**
 * Opens a checkpoint that an index (`model.safetensors.index.json`) spreads over several safetensors files, for reading
 * by ranges. Every file's header is read and held against the index: each tensor must be in the file that the index
 * names, and each tensor of the files in the index.
 * @param index the index file's bytes. Borrowed.
 * @param open opens a file that lies beside the index. Asked for plain names only, such as
 * `model-00001-of-00002.safetensors`: without a folder, a drive or `..`, and ending in `.safetensors`.
 * @throws CheckpointError on an index that is none, other file names, tensors that are missing or not in the index, and
 * as `openSafetensors` does; what `open` itself throws passes through.
 * @see https://huggingface.co/docs/safetensors/index
 */
export async function openSafetensorsShards(
  index: Uint8Array,
  open: (name: string) => RangeSource | Promise<RangeSource>,
): Promise<SafetensorsShards> {
  const { weightMap, metadata } = parseIndex(index);
  const files = new Map<string, SafetensorsFile>();
  for (const file of weightMap.values()) {
    if (files.has(file)) continue;
    if (files.size === MAX_SHARDS) throw new CheckpointError(OP, 'index', `of at most ${MAX_SHARDS} files`, 'more');
    files.set(file, await openSafetensors(await open(file)));
  }
  const known = new Map<string, ReadonlySet<string>>();
  for (const [file, { names }] of files) {
    known.set(file, new Set(names));
    for (const name of names) {
      if (weightMap.get(name) === file) continue;
      const actual = weightMap.has(name) ? `one of ${quote(weightMap.get(name)!)}` : 'not in the index';
      throw new CheckpointError(OP, `tensor ${quote(name)} of ${quote(file)}`, 'in the index as such', actual);
    }
  }
  for (const [name, file] of weightMap) {
    if (known.get(file)!.has(name)) continue;
    throw new CheckpointError(OP, `tensor ${quote(name)}`, `in ${quote(file)}, as the index has it`, 'not there');
  }
  const fileOf = (name: string): SafetensorsFile => {
    const file = weightMap.get(name);
    if (file === undefined) {
      throw new CheckpointError(OP, 'name', `one of the index's ${weightMap.size} tensors`, quote(name));
    }
    return files.get(file)!;
  };
  return {
    names: [...weightMap.keys()],
    files: [...files.keys()],
    metadata,
    info: (name) => fileOf(name).info(name),
    tensor: async (name) => await fileOf(name).tensor(name),
    async *tensors() {
      for (const name of weightMap.keys()) yield [name, await fileOf(name).tensor(name)];
    },
  };
}

type Index = { readonly weightMap: ReadonlyMap<string, string>; readonly metadata: Record<string, string> };

function parseIndex(bytes: Uint8Array): Index {
  const fail = (part: string, expected: string, actual: string) => new CheckpointError(OP, part, expected, actual);
  if (bytes.length > MAX_INDEX_BYTES) throw fail('index', `at most ${MAX_INDEX_BYTES} bytes`, `${bytes.length}`);
  const json = new JsonReader(decode(bytes), (expected, actual) => fail('index', expected, actual));
  let weightMap: Map<string, string> | undefined;
  let metadata: Record<string, string> | undefined;
  if (json.kind() !== 'an object') throw fail('index', 'an object', json.kind());
  json.object((key) => {
    if (key === 'weight_map') {
      if (weightMap !== undefined) throw fail('index', 'free of duplicate keys', `${quote(key)} twice`);
      weightMap = readWeightMap(json);
    } else if (key === 'metadata') {
      if (metadata !== undefined) throw fail('index', 'free of duplicate keys', `${quote(key)} twice`);
      metadata = readMetadata(json);
    } else json.ignore();
  });
  json.end();
  if (weightMap === undefined) throw fail('weight_map', 'given', 'none');
  return { weightMap, metadata: metadata ?? emptyMetadata() };
}

function readWeightMap(json: JsonReader): Map<string, string> {
  const map = new Map<string, string>();
  if (json.kind() !== 'an object') throw new CheckpointError(OP, 'weight_map', 'an object', json.kind());
  json.object((name) => {
    const part = `weight_map ${quote(name)}`;
    if (map.has(name)) throw new CheckpointError(OP, 'weight_map', 'free of duplicate keys', `${quote(name)} twice`);
    if (json.kind() !== 'a string') throw new CheckpointError(OP, part, 'a string', json.kind());
    map.set(name, checkFileName(OP, part, json.string(), '.safetensors'));
  });
  return map;
}

function readMetadata(json: JsonReader): Record<string, string> {
  const metadata = emptyMetadata();
  if (json.kind() !== 'an object') throw new CheckpointError(OP, 'metadata', 'an object', json.kind());
  let count = 0;
  json.object((key) => {
    if (++count > MAX_METADATA_KEYS) {
      throw new CheckpointError(OP, 'metadata', `of at most ${MAX_METADATA_KEYS} keys`, 'more');
    }
    const kind = json.kind();
    if (kind === 'a string') metadata[key] = json.string();
    else if (kind === 'a number') metadata[key] = json.number();
    else json.ignore();
  });
  return metadata;
}

function emptyMetadata(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CheckpointError(OP, 'index', 'UTF-8', 'other bytes');
  }
}
