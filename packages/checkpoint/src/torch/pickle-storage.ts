import { bytesPerElement, type DType } from '../tensor-view';
import type { Fail } from './fail';
import { describeValue, GlobalName, PickleList, type PickleValue } from './pickle-values';
import { StorageRef } from './storage-ref';

/** torch's classes of storages whose elements are numbers that this package knows. */
const STORAGE_DTYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['DoubleStorage', 'F64'],
  ['FloatStorage', 'F32'],
  ['HalfStorage', 'F16'],
  ['BFloat16Storage', 'BF16'],
  ['LongStorage', 'I64'],
  ['IntStorage', 'I32'],
  ['ShortStorage', 'I16'],
  ['CharStorage', 'I8'],
  ['ByteStorage', 'U8'],
  ['BoolStorage', 'BOOL'],
]);

// `torch.FloatStorage`, `torch.cuda.FloatStorage`; bytes are `torch.storage.UntypedStorage`, `torch.UntypedStorage`.
const STORAGE_NAME = /^torch\.(?:cuda\.|storage\.)?(\w+Storage)$/;

/**
 * The storage that a persistent id names: `('storage', class, key, location, elements)`, with a sixth part
 * `(key, offset, elements)` in legacy files where it is a view of that storage.
 * @throws what `fail` returns, naming a class that is refused.
 */
export function pickleStorage(id: readonly PickleValue[], fail: Fail): StorageRef {
  const [kind, type, key, , elements, view] = id;
  if (kind !== 'storage') throw fail('persistent id', '"storage"', describeValue(kind ?? null));
  if (!(type instanceof GlobalName)) throw fail('storage type', 'a class', describeValue(type ?? null));
  const name = STORAGE_NAME.exec(type.name)?.[1];
  const dtype = name === undefined ? undefined : STORAGE_DTYPES.get(name);
  if (dtype === undefined && name !== 'UntypedStorage') {
    throw fail(
      'storage type',
      `one of torch.${[...STORAGE_DTYPES.keys(), 'UntypedStorage'].join(', ')}`,
      describeValue(type),
    );
  }
  if (typeof key !== 'string') throw fail('storage key', 'text', describeValue(key ?? null));
  const width = dtype === undefined ? 1 : bytesPerElement(dtype);
  const length = count('storage elements', elements, fail);
  const bytes = length * width;
  if (view === undefined || view === null) return new StorageRef(key, dtype, bytes, length, 0, bytes);
  if (!(view instanceof PickleList)) throw fail('storage view', 'a tuple', describeValue(view));
  const begin = count('storage view offset', view.items[1], fail) * width;
  const viewBytes = count('storage view elements', view.items[2], fail) * width;
  if (begin + viewBytes > bytes) throw fail('storage view', `within ${bytes} bytes`, `${begin} + ${viewBytes}`);
  return new StorageRef(key, dtype, bytes, length, begin, viewBytes);
}

function count(part: string, value: PickleValue | undefined, fail: Fail): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw fail(part, 'an integer of 0 .. 2^53 - 1', describeValue(value ?? null));
}
