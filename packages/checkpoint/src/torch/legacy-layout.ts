import { quote } from '../quote';
import { type Reading, read } from '../range-source';
import type { Fail } from './fail';
import type { Pickle } from './pickle-machine';
import { describeValue, PickleDict, PickleList } from './pickle-values';
import { readPickleAt } from './read-pickle-at';
import type { StorageRef } from './storage-ref';
import type { TorchLayout } from './torch-layout';

// LONG1 of torch/serialization.py's MAGIC_NUMBER, after PROTO and its protocol
const MAGIC = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const MAGIC_AT = 2;
const PROTOCOL_VERSION = 1001;
const COUNT_BYTES = 8;

/** Whether these first bytes are those of torch.save before its version 1.6. */
export function isLegacy(start: Uint8Array): boolean {
  return start[0] === 0x80 && MAGIC.every((byte, i) => start[MAGIC_AT + i] === byte);
}

/**
 * Opens a file of torch.save before its version 1.6, or with `_use_new_zipfile_serialization=False`: pickles of a magic
 * number, a version, the machine, the object and the keys of its storages; then each storage, in the order of the keys:
 * the number of its elements in 8 bytes, and its bytes.
 * @throws what `fail` returns.
 */
export function* openLegacyLayout(size: number, fail: Fail): Reading<TorchLayout> {
  const magic = yield* readPickleAt('magic number', 0, size, fail);
  const version = yield* readPickleAt('version', magic.end, size, fail);
  if (version.value !== PROTOCOL_VERSION) {
    throw fail('version', `${PROTOCOL_VERSION}`, describeValue(version.value));
  }
  const machine = yield* readPickleAt('machine', version.end, size, fail);
  const littleEndian = machine.value instanceof PickleDict ? machine.value.entries.get('little_endian') : undefined;
  if (littleEndian !== true) throw fail('machine little_endian', 'True', describeValue(littleEndian ?? null));
  const pickle = yield* readPickleAt('object', machine.end, size, fail);
  const keys = yield* readPickleAt('storage keys', pickle.end, size, fail);
  const places = placeStorages(pickle, keys, size, fail);
  return {
    pickle,
    checkStorage({ key, fileBytes }) {
      const place = places.get(key);
      if (place === undefined) throw fail(`storage ${quote(key)}`, 'among the storage keys', 'none of them');
      if (place.bytes !== fileBytes) throw fail(`storage ${quote(key)}`, `${place.bytes} bytes`, `${fileBytes}`);
    },
    *locate({ key }) {
      const { offset, elements } = places.get(key)!;
      const part = `storage ${quote(key)} length`;
      const bytes = yield* read(part, offset - COUNT_BYTES, COUNT_BYTES);
      const actual = new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true);
      if (actual !== BigInt(elements)) throw fail(part, `${elements}`, `${actual}`);
      return offset;
    },
  };
}

type Place = { readonly offset: number; readonly bytes: number; readonly elements: number };

/** Where each storage begins: the object tells their sizes, the keys their order. */
function placeStorages(pickle: Pickle, keys: Pickle, size: number, fail: Fail): ReadonlyMap<string, Place> {
  const storages = new Map<string, StorageRef>();
  for (const storage of pickle.storages) if (!storages.has(storage.key)) storages.set(storage.key, storage);
  if (!(keys.value instanceof PickleList)) throw fail('storage keys', 'a list', describeValue(keys.value));
  const places = new Map<string, Place>();
  let offset = keys.end;
  for (const key of keys.value.items) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined) throw fail('storage keys', 'keys of the object', describeValue(key));
    const { fileBytes: bytes, elements } = storage;
    if (places.has(storage.key)) throw fail('storage keys', 'free of duplicates', describeValue(key));
    offset += COUNT_BYTES;
    places.set(storage.key, { offset, bytes, elements });
    offset += bytes;
    if (offset > size) throw fail(`storage ${quote(storage.key)}`, `within the ${size} bytes of the file`, `${offset}`);
  }
  return places;
}
