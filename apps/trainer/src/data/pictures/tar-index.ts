import { open } from 'node:fs/promises';
import { Header, Pax } from 'tar';
import { UserError } from '../../user-error';
import type { RangedPicture } from './ranged-pictures';

const BLOCK = 512;
/** A name or a set of attributes longer than this is no name. */
const MAXIMUM_EXTENSION = 1 << 20;

export type TarIndex = {
  /** Files in the archive, in its order. */
  readonly entries: readonly RangedPicture[];
  /** What is wrong with the archive, from where on nothing of it is used. */
  readonly damage?: string;
};

/**
 * Where the files of a tar lie: its headers alone are read. What comes before a damaged place is given.
 * @param part of the file that is the archive: a tar may hold others. @throws {UserError} on a compressed one.
 */
export async function indexTar(
  file: string,
  part?: { readonly offset: number; readonly size: number },
): Promise<TarIndex> {
  const handle = await open(file);
  try {
    const { offset: start, size } = part ?? { offset: 0, size: (await handle.stat()).size };
    const end = start + size;
    const read = async (offset: number, length: number) => {
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, end - offset)));
      let done = 0;
      while (done < bytes.length) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    };
    const beginning = await read(start, 2);
    if (beginning[0] === 0x1f && beginning[1] === 0x8b) {
      throw new UserError(
        `data: ${file} is compressed: unpack it with gunzip, so that its files can be read one by one`,
      );
    }
    return await indexEntries(file, start, end, read);
  } finally {
    await handle.close();
  }
}

async function indexEntries(
  file: string,
  start: number,
  end: number,
  read: (offset: number, length: number) => Promise<Buffer>,
): Promise<TarIndex> {
  const entries: RangedPicture[] = [];
  let extension: Pax | undefined;
  let globalExtension: Pax | undefined;
  let longPath: string | undefined;
  let at = start;
  while (at < end) {
    const block = await read(at, BLOCK);
    if (block.length < BLOCK) return { entries, damage: `it ends within a header at byte ${at - start}` };
    const header = new Header(block, 0, extension, globalExtension);
    if (header.nullBlock) return { entries };
    if (!header.cksumValid) return { entries, damage: `what is at byte ${at - start} is no header` };
    const size = header.size ?? 0;
    const name = longPath ?? header.path ?? '';
    const offset = at + BLOCK;
    if (offset + size > end) {
      return { entries, damage: `it ends within ${name}, of which ${end - offset} of ${size} bytes are there` };
    }
    switch (header.type) {
      case 'ExtendedHeader':
      case 'OldExtendedHeader':
      case 'GlobalExtendedHeader':
      case 'NextFileHasLongPath':
      case 'OldGnuLongPath': {
        if (size > MAXIMUM_EXTENSION)
          return { entries, damage: `an extended header of ${size} bytes at byte ${at - start}` };
        const text = (await read(offset, size)).toString('utf8');
        if (header.type === 'GlobalExtendedHeader') globalExtension = Pax.parse(text, globalExtension, true);
        else if (header.type.endsWith('LongPath')) longPath = text.replace(/\0.*$/s, '');
        else extension = Pax.parse(text, extension, false);
        break;
      }
      default:
        if (header.type === 'File' || header.type === 'OldFile' || header.type === 'ContiguousFile') {
          entries.push({ file, name, offset, size });
        }
        extension = undefined;
        longPath = undefined;
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  return { entries, damage: 'it has no end mark: what came after is lost' };
}
