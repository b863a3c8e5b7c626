import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../user-error';

/**
 * A file, or the files of a folder with these endings, in alphabetical order.
 * @throws {UserError} where there is none.
 */
export async function listFiles(path: string, endings: readonly string[]): Promise<string[]> {
  const status = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      `data: ${error.code === 'ENOENT' ? `there is no ${path}` : `cannot read ${path}: ${error.message}`}`,
    );
  });
  if (!status.isDirectory()) return [path];
  const found = (await readdir(path)).filter((name) => endings.some((ending) => name.toLowerCase().endsWith(ending)));
  if (found.length === 0) throw new UserError(`data: no file of ${endings.join(', ')} in ${path}`);
  return found.sort().map((name) => join(path, name));
}
