import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../user-error';

let temporaryFiles = 0;

/**
 * Writes a file whole or not at all: into a temporary file beside it, flushed to disk, then renamed. A reader, a crash
 * or a full disk never sees half a file, and the previous one stays until the new one is complete.
 *
 * @param data in one piece, or in several, written one after the other: a file may be larger than one array can be.
 * @throws {UserError} that names the file and what stopped it.
 */
export async function writeAtomically(path: string, data: Uint8Array | string | readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.${process.pid}-${temporaryFiles++}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, 'w');
    try {
      // goes on where the last one ended, and after a short write, which is what a disk that fills up gives first
      for (const piece of Array.isArray(data) ? data : [data]) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new UserError(`cannot write ${path}: ${describeFileError(error as NodeJS.ErrnoException)}`);
  }
}

/** Removes what killed processes left of files that they were writing into a folder. */
export async function removeTemporaryFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (/\.\d+-\d+\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
  }
}

/**
 * Checks, before any work is done, that a folder can be written and its disk has room.
 * @throws {UserError}
 */
export async function checkWritable(folder: string, bytes: number): Promise<void> {
  const probe = `${folder}/.write-test`;
  await writeAtomically(probe, new Uint8Array(1));
  await rm(probe, { force: true });
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes) {
    throw new UserError(
      `cannot write to ${folder}: ${megabytes(bytes)} needed, ${megabytes(bavail * bsize)} free on its disk`,
    );
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What stopped a write, in words. */
export function describeFileError(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full; what was there before is intact';
    case 'EFBIG':
      return 'it is larger than the system allows; what was there before is intact';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'no permission to write there';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of its path is a file, not a folder';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return error.message;
  }
}
