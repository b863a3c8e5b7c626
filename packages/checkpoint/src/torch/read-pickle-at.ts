import { type Reading, read } from '../range-source';
import type { Fail } from './fail';
import { MAX_PICKLE_BYTES, type Pickle, PickleCut, readPickle } from './pickle-machine';
import { pickleStorage } from './pickle-storage';

const FIRST_BYTES = 1 << 16;

/**
 * Reads the pickle that begins at `offset` and ends anywhere before `limit`: as it does not say where it ends, from
 * ever more bytes, twice as many each time, so that time stays linear in its length.
 * @returns the pickle, its `end` counted from the start of the file.
 * @throws what `fail` returns, also where the pickle is longer than 64 MiB.
 */
export function* readPickleAt(part: string, offset: number, limit: number, fail: Fail): Reading<Pickle> {
  const most = Math.min(limit - offset, MAX_PICKLE_BYTES);
  for (let length = Math.min(FIRST_BYTES, most); ; length = Math.min(2 * length, most)) {
    const bytes = yield* read(part, offset, length);
    try {
      const pickle = readPickle(bytes, { part, fail, storage: pickleStorage });
      return { ...pickle, end: offset + pickle.end };
    } catch (error) {
      if (!(error instanceof PickleCut)) throw error;
      if (length === most) throw fail(part, `a whole pickle within ${most} bytes`, 'its end before STOP');
    }
  }
}
