import { quote } from '../quote';
import { type Reading, read } from '../range-source';
import type { Fail } from './fail';
import { MAX_PICKLE_BYTES, PickleCut, readPickle } from './pickle-machine';
import { pickleStorage } from './pickle-storage';
import type { TorchLayout } from './torch-layout';
import { locateZipEntry, readZipDirectory, type ZipEntry } from './zip-directory';

const PICKLE_NAME = /^[^/]+\/data\.pkl$/;
const LITTLE = 'little';

/**
 * Opens a zip file of torch.save (the format since version 1.6): `NAME/data.pkl`, one stored file `NAME/data/KEY` a
 * storage, and `NAME/byteorder`.
 * @throws what `fail` returns, also on TorchScript archives and files of big-endian machines.
 */
export function* openZipLayout(size: number, fail: Fail): Reading<TorchLayout> {
  const directory = yield* readZipDirectory(size, fail);
  const names = [...directory.entries.keys()].filter((name) => PICKLE_NAME.test(name));
  const [pickleName] = names;
  if (pickleName === undefined || names.length > 1) {
    throw fail('zip archive', 'one of torch.save, with one NAME/data.pkl', `${names.length} of them`);
  }
  const folder = pickleName.slice(0, -'data.pkl'.length);
  if (directory.entries.has(`${folder}constants.pkl`)) {
    throw fail('zip archive', 'one of torch.save', 'TorchScript (save the state_dict of the module instead)');
  }
  const contents = function* (entry: ZipEntry, most: number): Reading<Uint8Array> {
    const part = `zip entry ${quote(entry.name)}`;
    if (entry.size > most) throw fail(part, `at most ${most} bytes`, `${entry.size}`);
    return yield* read(part, yield* locateZipEntry(entry, directory, fail), entry.size);
  };
  const byteOrder = directory.entries.get(`${folder}byteorder`);
  if (byteOrder !== undefined) {
    const text = new TextDecoder().decode(yield* contents(byteOrder, 16));
    if (text !== LITTLE) throw fail('byteorder', quote(LITTLE), quote(text));
  }
  const bytes = yield* contents(directory.entries.get(pickleName)!, MAX_PICKLE_BYTES);
  const offsets = new Map<string, number>();
  const storageEntry = (key: string): ZipEntry => {
    const name = `${folder}data/${key}`;
    const entry = directory.entries.get(name);
    if (entry === undefined) throw fail(`zip entry ${quote(name)}`, 'present', 'none');
    return entry;
  };
  return {
    pickle: readWhole(bytes, fail),
    checkStorage({ key, fileBytes }) {
      const { name, size: actual } = storageEntry(key);
      if (actual !== fileBytes) throw fail(`zip entry ${quote(name)}`, `${fileBytes} bytes`, `${actual}`);
    },
    *locate({ key }) {
      const offset = offsets.get(key) ?? (yield* locateZipEntry(storageEntry(key), directory, fail));
      offsets.set(key, offset);
      return offset;
    },
  };
}

function readWhole(bytes: Uint8Array, fail: Fail) {
  try {
    return readPickle(bytes, { part: 'data.pkl', fail, storage: pickleStorage });
  } catch (error) {
    if (error instanceof PickleCut) throw fail('data.pkl', 'a whole pickle', `${bytes.length} bytes without its end`);
    throw error;
  }
}
