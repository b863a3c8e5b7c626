import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../user-error';
import { findPictures, IMAGE_ENDINGS } from '../image-folder';
import type { SkippedFile } from '../skipped-file';
import { namedClasses } from './named-classes';
import type { PictureSource } from './picture-source';

/** Pictures that are files of their own. */
export class FolderPictures implements PictureSource {
  constructor(
    readonly description: string,
    private readonly root: string,
    readonly files: readonly string[],
    private readonly facts: Pick<PictureSource, 'labels' | 'classNames' | 'captions'> & {
      readonly skipped?: readonly SkippedFile[];
    } = {},
  ) {}

  get length(): number {
    return this.files.length;
  }
  get labels() {
    return this.facts.labels;
  }
  get classNames() {
    return this.facts.classNames;
  }
  get captions() {
    return this.facts.captions;
  }
  get skipped() {
    return this.facts.skipped ?? [];
  }

  name(index: number): string {
    return this.files[index];
  }

  async read(index: number): Promise<Uint8Array> {
    return readFile(join(this.root, this.files[index]));
  }

  async close(): Promise<void> {}
}

/** The pictures of a folder and its subfolders. @throws {UserError} */
export async function openFolder(path: string): Promise<PictureSource> {
  const files = await findPictures(path);
  if (files.length === 0) throw noPictures(path);
  return new FolderPictures(`pictures of ${path}`, path, files);
}

/**
 * A folder whose folders are classes, numbered in the order of their names. One without a picture keeps its number.
 * @throws {UserError} where there are no such folders.
 */
export async function openClassFolder(path: string): Promise<PictureSource> {
  const files = await findPictures(path);
  const folders = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  if (folders.length === 0) throw new UserError(`data: ${path} has no folders, which would be its classes`);
  if (files.length === 0) throw noPictures(path);
  const classNames = folders.map(({ name }) => name);
  const inClasses = files.filter((file) => file.includes('/'));
  const ofFile = (file: string) => file.slice(0, file.indexOf('/'));
  const used = new Set(inClasses.map(ofFile));
  const skipped = [
    ...files.filter((file) => !file.includes('/')).map((file) => ({ file, reason: 'it is in no class folder' })),
    ...classNames
      .filter((name) => !used.has(name))
      .map((file) => ({ file, reason: 'a class folder without a picture' })),
  ];
  if (inClasses.length === 0) throw new UserError(`data: the class folders of ${path} hold no picture`);
  return new FolderPictures(`pictures of the class folders of ${path}`, path, inClasses, {
    ...namedClasses(inClasses.map(ofFile), classNames),
    skipped,
  });
}

function noPictures(path: string): UserError {
  return new UserError(`data: no pictures in ${path}: looked there and in its subfolders for ${IMAGE_ENDINGS}`);
}
