import { open } from 'node:fs/promises';
import { UserError } from '../../user-error';
import type { RangedPicture } from './ranged-pictures';

/** Offsets and constants of LMDB 0.9's file, as a 64-bit little-endian machine writes it (lmdb.h, mdb.c). */
const HEADER = 16;
const MAGIC = 0xbeefc0de;
const VERSION = 1;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const BIG_DATA = 0x01;
const SUB_DATABASE = 0x02;
const DUPLICATES = 0x04;
const NO_PAGE = 0xffffffffffffffffn;
/** Depth of a tree beyond which no database goes. */
const MAXIMUM_DEPTH = 32;

/** A page that contradicts the format. */
class Damage extends Error {}

type Pages = { readonly pageSize: number; readonly count: number; read(page: number): Promise<DataView> };

/**
 * Where the values of an LMDB lie in its data file, in the order of their keys; the main database, without duplicates.
 * Every number of the file is checked before it is followed.
 * @param file `data.mdb`, or a database of one file. @throws {UserError} that names the file and what is wrong with it.
 */
export async function indexLmdb(file: string): Promise<RangedPicture[]> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`data: cannot read ${file}: ${error.message}`);
  });
  try {
    const { size } = await handle.stat();
    const readAt = async (offset: number, length: number) => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      if (bytesRead < length) throw new Damage(`it ends within the page at byte ${offset}`);
      return new DataView(bytes.buffer);
    };
    const { pageSize, root, entries, depth } = await newestMeta(readAt, size);
    if (root === NO_PAGE) return [];
    const count = Math.floor(size / pageSize);
    const pages: Pages = {
      pageSize,
      count,
      read: (page) => {
        if (!(page >= 2 && page < count)) throw new Damage(`it points to page ${page} of ${count}`);
        return readAt(page * pageSize, pageSize);
      },
    };
    if (depth > MAXIMUM_DEPTH) throw new Damage(`a tree ${depth} pages deep`);
    const found: RangedPicture[] = [];
    await walk(file, pages, pageNumber(root), depth, found, entries);
    if (found.length !== entries) throw new Damage(`${found.length} values where it says ${entries}`);
    return found;
  } catch (error) {
    if (error instanceof Damage || error instanceof RangeError) {
      throw new UserError(`data: ${file} is no sound LMDB of version 0.9: ${error.message}`);
    }
    throw error;
  } finally {
    await handle.close();
  }
}

/** The two first pages describe the database in turns; the one of the later transaction counts. */
async function newestMeta(readAt: (offset: number, length: number) => Promise<DataView>, size: number) {
  const first = await readMeta(readAt, 0);
  if (!first) throw new Damage('it does not begin as one');
  const { pageSize } = first;
  const second = 2 * pageSize <= size ? await readMeta(readAt, pageSize) : undefined;
  if (!second) throw new Damage('its second page is none');
  return second.transaction > first.transaction ? second : first;
}

async function readMeta(readAt: (offset: number, length: number) => Promise<DataView>, offset: number) {
  const view = await readAt(offset, HEADER + 136);
  if (view.getUint32(HEADER, true) !== MAGIC || view.getUint32(HEADER + 4, true) !== VERSION) return undefined;
  const pageSize = view.getUint32(HEADER + 24, true); // of the database of free pages
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0)
    throw new Damage(`pages of ${pageSize} bytes`);
  const main = HEADER + 24 + 48;
  if (view.getUint16(main + 4, true) & DUPLICATES) throw new Damage('its keys have several values');
  return {
    pageSize,
    depth: view.getUint16(main + 6, true),
    entries: Number(view.getBigUint64(main + 32, true)),
    root: view.getBigUint64(main + 40, true),
    transaction: view.getBigUint64(main + 56, true),
  };
}

async function walk(
  file: string,
  pages: Pages,
  page: number,
  depth: number,
  found: RangedPicture[],
  limit: number,
): Promise<void> {
  const view = await pages.read(page);
  const flags = view.getUint16(10, true);
  const lower = view.getUint16(12, true);
  const nodes = (lower - HEADER) / 2;
  if (!Number.isInteger(nodes) || nodes < 1 || lower > pages.pageSize)
    throw new Damage(`page ${page} has ${nodes} nodes`);
  const expected = depth > 1 ? BRANCH : LEAF;
  if ((flags & (BRANCH | LEAF | OVERFLOW)) !== expected) throw new Damage(`page ${page} is of another kind (${flags})`);
  for (let i = 0; i < nodes; i++) {
    const node = view.getUint16(HEADER + 2 * i, true);
    if (node < lower || node + 8 > pages.pageSize) throw new Damage(`page ${page} has a node at ${node}`);
    const low = view.getUint16(node, true) + 0x10000 * view.getUint16(node + 2, true);
    const nodeFlags = view.getUint16(node + 4, true);
    if (depth > 1) {
      await walk(file, pages, low + 0x100000000 * nodeFlags, depth - 1, found, limit);
      continue;
    }
    if (nodeFlags & (SUB_DATABASE | DUPLICATES)) throw new Damage('it holds databases or several values of a key');
    if (found.length >= limit) throw new Damage(`more values than the ${limit} that it says`);
    found.push(leafValue(file, pages, page, view, node, low, (nodeFlags & BIG_DATA) !== 0));
  }
}

function leafValue(
  file: string,
  pages: Pages,
  page: number,
  view: DataView,
  node: number,
  size: number,
  isBig: boolean,
): RangedPicture {
  const keySize = view.getUint16(node + 6, true);
  const data = node + 8 + keySize;
  if (data + (isBig ? 8 : size) > pages.pageSize) throw new Damage(`page ${page} has a value beyond its end`);
  const name = Buffer.from(view.buffer, node + 8, keySize).toString('utf8');
  const place = isBig
    ? pageNumber(view.getBigUint64(data, true)) * pages.pageSize + HEADER
    : page * pages.pageSize + data;
  if (place + size > pages.count * pages.pageSize) throw new Damage(`the value of ${name} lies beyond its end`);
  return { file, name, offset: place, size };
}

function pageNumber(number: bigint): number {
  if (number > BigInt(2 ** 37)) throw new Damage(`it points to page ${number}`);
  return Number(number);
}
