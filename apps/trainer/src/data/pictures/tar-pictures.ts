import { basename, dirname, extname } from 'node:path';
import { UserError } from '../../user-error';
import { isPicture } from '../image-folder';
import type { SkippedFile } from '../skipped-file';
import { listFiles } from './list-files';
import { namedClasses } from './named-classes';
import type { PictureSource } from './picture-source';
import { type RangedPicture, RangedPictures } from './ranged-pictures';
import { indexTar } from './tar-index';

/**
 * Pictures in tars, as ImageNet is published: a tar that holds a tar for every class, a folder of such, or tars with a
 * folder for every class. Without any of that they have no classes.
 * @param path of a tar, or of a folder of tars. @throws {UserError}
 */
export async function openTarPictures(path: string): Promise<PictureSource> {
  const files = await listFiles(path, ['.tar']);
  const pictures: (RangedPicture & { readonly className: string | undefined })[] = [];
  const skipped: SkippedFile[] = [];
  const groups: number[] = [];
  const add = async (file: string, outer: string | undefined, part?: RangedPicture) => {
    const { entries, damage } = await indexTar(file, part);
    const archive = part ? `${basename(file)}/${part.name}` : basename(file);
    if (damage) skipped.push({ file: archive, reason: damage });
    const before = pictures.length;
    for (const entry of entries) {
      const inner = dirname(entry.name);
      if (extname(entry.name).toLowerCase() === '.tar')
        await add(file, basename(entry.name, extname(entry.name)), entry);
      else if (isPicture(entry.name)) {
        pictures.push({
          ...entry,
          name: `${archive}/${entry.name}`,
          className: inner === '.' ? outer : basename(inner),
        });
      }
    }
    if (!part) groups.push(pictures.length - before);
  };
  for (const file of files) await add(file, files.length > 1 ? basename(file, extname(file)) : undefined);
  if (pictures.length === 0) {
    throw new UserError(
      `data: no pictures in the tars of ${path}${skipped[0] ? `; ${skipped[0].file}: ${skipped[0].reason}` : ''}`,
    );
  }
  const classes = namedClasses(pictures.map(({ className }) => className));
  return new RangedPictures(`pictures in the tars of ${path}`, pictures, {
    ...classes,
    skipped,
    groups: groups.filter((length) => length > 0),
  });
}
