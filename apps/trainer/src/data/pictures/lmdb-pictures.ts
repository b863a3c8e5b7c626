import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../user-error';
import { indexLmdb } from './lmdb-index';
import type { PictureSource } from './picture-source';
import { RangedPictures } from './ranged-pictures';

/**
 * An LMDB whose values are encoded pictures, as LSUN is published.
 * @param path of its folder, which holds `data.mdb`, or of its file. @throws {UserError}
 */
export async function openLmdb(path: string): Promise<PictureSource> {
  const status = await stat(path).catch(() => undefined);
  if (!status) throw new UserError(`data: there is no ${path}`);
  const pictures = await indexLmdb(status.isDirectory() ? join(path, 'data.mdb') : path);
  if (pictures.length === 0) throw new UserError(`data: ${path} is empty`);
  return new RangedPictures(`pictures of ${path}`, pictures);
}
