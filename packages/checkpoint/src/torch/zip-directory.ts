import { quote } from '../quote';
import { type Reading, read } from '../range-source';
import type { Fail } from './fail';

const END = { signature: 0x06054b50, size: 22, maxComment: 0xffff };
const END64 = { signature: 0x06064b50, size: 56 };
const LOCATOR64 = { signature: 0x07064b50, size: 20 };
const ENTRY = { signature: 0x02014b50, size: 46 };
const LOCAL = { signature: 0x04034b50, size: 30 };
const EXTRA64 = 0x0001;
const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;
const STORED = 0;
const ENCRYPTED = 1;

/** More than any checkpoint has tensors. */
const MAX_ENTRIES = 1_000_000;

/** A stored file of a zip archive. */
export type ZipEntry = { readonly name: string; readonly headerOffset: number; readonly size: number };

/** The files of an archive by name, and where the last of them must end. */
export type ZipDirectory = { readonly entries: ReadonlyMap<string, ZipEntry>; readonly begin: number };

/** Whether these first bytes are a zip archive's. */
export function isZip(start: Uint8Array): boolean {
  return start.length >= 4 && start[0] === 0x50 && start[1] === 0x4b && start[2] === 0x03 && start[3] === 0x04;
}

/**
 * Reads a zip archive's central directory, zip64 included. Entries must be stored, as torch stores them: compressed
 * and encrypted ones are refused by name, and so are archives in several parts and a name given twice. Sizes and
 * places are checked against the file before anything is read by them.
 * @param size bytes of the file.
 * @throws what `fail` returns.
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export function* readZipDirectory(size: number, fail: Fail): Reading<ZipDirectory> {
  const { count, bytes, begin } = yield* readEnd(size, fail);
  if (count > MAX_ENTRIES) throw fail('zip directory', `of at most ${MAX_ENTRIES} files`, `${count}`);
  if (begin + bytes > size) throw fail('zip directory', `within the ${size} bytes of the file`, `${begin} + ${bytes}`);
  // Before it is read: a directory of that many entries has at least so many bytes.
  if (count * ENTRY.size > bytes) throw fail('zip directory', `${count * ENTRY.size} bytes or more`, `${bytes}`);
  const view = viewOf(yield* read('zip directory', begin, bytes));
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + ENTRY.size > bytes || view.getUint32(at, true) !== ENTRY.signature) {
      throw fail('zip directory', `${count} entries`, `${i}`);
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const end = at + ENTRY.size + nameLength! + extraLength! + commentLength!;
    if (end > bytes) throw fail('zip directory', `${count} entries`, `${i} and a part of one`);
    const nameAt = at + ENTRY.size;
    const name = textOf(view, nameAt, nameLength!);
    const part = `zip entry ${quote(name)}`;
    const extra = extra64(view, nameAt + nameLength!, extraLength!);
    const wide = (offset: number): number => {
      const value = view.getUint32(at + offset, true);
      return value === MAX_32 && extra.length > 0 ? extra.shift()! : value;
    };
    // The extra field holds what did not fit, in this order.
    const entrySize = wide(24);
    const storedSize = wide(20);
    const headerOffset = wide(42);
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    if ((flags & ENCRYPTED) !== 0) throw fail(part, 'free of encryption', 'an encrypted one');
    if (method !== STORED || storedSize !== entrySize) {
      throw fail(part, 'stored, as torch.save writes it', `method ${method} (save it again with torch.save)`);
    }
    if (!(headerOffset + LOCAL.size + entrySize <= begin)) {
      throw fail(part, `within the ${begin} bytes before the directory`, `${entrySize} bytes at ${headerOffset}`);
    }
    if (entries.has(name)) throw fail(part, 'there once', 'twice');
    entries.set(name, { name, headerOffset, size: entrySize });
    at = end;
  }
  return { entries, begin };
}

/** Where an entry's bytes begin, by the header before them. @throws what `fail` returns. */
export function* locateZipEntry(entry: ZipEntry, { begin }: ZipDirectory, fail: Fail): Reading<number> {
  const { name, headerOffset, size } = entry;
  const part = `zip entry ${quote(name)} header`;
  const view = viewOf(yield* read(part, headerOffset, LOCAL.size));
  if (view.getUint32(0, true) !== LOCAL.signature) throw fail(part, 'a local file header', 'none');
  const dataOffset = headerOffset + LOCAL.size + view.getUint16(26, true) + view.getUint16(28, true);
  if (dataOffset + size > begin) {
    throw fail(part, `${size} bytes before the directory at ${begin}`, `${dataOffset}`);
  }
  return dataOffset;
}

type End = { readonly count: number; readonly bytes: number; readonly begin: number };

function* readEnd(size: number, fail: Fail): Reading<End> {
  if (size < END.size) throw fail('file', `at least ${END.size} bytes of a zip archive`, `${size}`);
  const length = Math.min(size, END.size + END.maxComment);
  const view = viewOf(yield* read('end of the zip directory', size - length, length));
  let at = length - END.size;
  while (view.getUint32(at, true) !== END.signature || at + END.size + view.getUint16(at + 20, true) > length) {
    if (--at < 0) throw fail('file', 'a whole zip archive', 'one without the end of its directory');
  }
  if (view.getUint16(at + 4, true) !== view.getUint16(at + 6, true))
    throw fail('zip archive', 'in one part', 'several');
  const end: End = {
    count: view.getUint16(at + 10, true),
    bytes: view.getUint32(at + 12, true),
    begin: view.getUint32(at + 16, true),
  };
  if (end.count < MAX_16 && end.bytes < MAX_32 && end.begin < MAX_32) return end;
  return yield* readEnd64(size - length + at - LOCATOR64.size, fail);
}

function* readEnd64(locatorAt: number, fail: Fail): Reading<End> {
  if (locatorAt < 0) throw fail('zip64 locator', 'before the end of the directory', 'no room for one');
  const locator = viewOf(yield* read('zip64 locator', locatorAt, LOCATOR64.size));
  if (locator.getUint32(0, true) !== LOCATOR64.signature) throw fail('zip64 locator', 'present', 'none');
  const at = wideInteger(locator, 8);
  if (at + END64.size > locatorAt) throw fail('zip64 directory end', `before ${locatorAt}`, `${at}`);
  const view = viewOf(yield* read('zip64 directory end', at, END64.size));
  if (view.getUint32(0, true) !== END64.signature) throw fail('zip64 directory end', 'present', 'none');
  return { count: wideInteger(view, 32), bytes: wideInteger(view, 40), begin: wideInteger(view, 48) };
}

/** The 8-byte integers of a zip64 extra field; none where there is no such field. */
function extra64(view: DataView, begin: number, length: number): number[] {
  for (let at = begin; at + 4 <= begin + length; ) {
    const id = view.getUint16(at, true);
    const size = view.getUint16(at + 2, true);
    const end = Math.min(at + 4 + size, begin + length);
    if (id === EXTRA64) {
      const integers: number[] = [];
      for (let i = at + 4; i + 8 <= end; i += 8) integers.push(wideInteger(view, i));
      return integers;
    }
    at = end;
  }
  return [];
}

/** An integer of 8 bytes; those beyond 2^53 are rounded, which no check of a place or size lets pass. */
function wideInteger(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function textOf(view: DataView, at: number, length: number): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, length));
}
