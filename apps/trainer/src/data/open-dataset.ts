import { foldIn, randomKey } from '@sd/core';
import type { DataConfig } from '../config/schema';
import type { OpenProgress, Progress } from '../console/progress';
import { DeadLeaves } from './dead-leaves';
import type { ImageDataset } from './image-dataset';
import { findPictures, ImageFolder } from './image-folder';
import { withMirrored } from './mirrored';
import { openCoco } from './pictures/coco-pictures';
import { openClassFolder, openFolder } from './pictures/folder-pictures';
import { openLmdb } from './pictures/lmdb-pictures';
import { openParquet } from './pictures/parquet-pictures';
import { PictureDataset } from './pictures/picture-dataset';
import type { PictureSource } from './pictures/picture-source';
import { openTarPictures } from './pictures/tar-pictures';
import { openWebdataset } from './pictures/webdataset-pictures';
import type { SkippedFile } from './skipped-file';

type PicturesConfig = Exclude<DataConfig, { source: 'dead-leaves' }>;

/** Bytes of decoded pictures that are held in memory rather than decoded at every use. */
const HELD_BYTES = 2 ** 30;

/** Opens the images of a configuration and says what was skipped. @param report takes lines for the user. @throws {UserError} */
export async function openDataset(
  data: DataConfig,
  seed: number,
  openProgress: OpenProgress,
  report: (line: string) => void,
  signal?: AbortSignal,
): Promise<ImageDataset> {
  if (data.source === 'dead-leaves') {
    return new DeadLeaves(foldIn(randomKey(seed), 'dead leaves'), data.count, data.size);
  }
  const dataset = (await isHeld(data))
    ? await openHeld(data, openProgress, report, signal)
    : await openPictures(data, report);
  return data.flip ? withMirrored(dataset) : dataset;
}

/** Is it a plain folder that fits into memory? */
async function isHeld({ source, path, size, resize, crop }: PicturesConfig): Promise<boolean> {
  if (source !== 'folder' || crop !== 'center' || (resize !== undefined && resize !== size)) return false;
  return (await findPictures(path)).length * 3 * size ** 2 <= HELD_BYTES;
}

async function openHeld(
  data: PicturesConfig,
  openProgress: OpenProgress,
  report: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<ImageFolder> {
  let progress: Progress | undefined;
  let folder: ImageFolder;
  try {
    folder = await ImageFolder.open(data.path, data.size, (done, total) => {
      progress ??= openProgress('read pictures', total, 'picture');
      progress.update(done);
      signal?.throwIfAborted();
    });
  } finally {
    progress?.stop();
  }
  reportSkipped(folder.skipped, folder.length, report);
  return folder;
}

async function openPictures(data: PicturesConfig, report: (line: string) => void): Promise<PictureDataset> {
  const source = await openSource(data);
  reportSkipped(source.skipped, source.length, report);
  const { size, resize, crop } = data;
  return new PictureDataset(source, { size, resize, crop, report });
}

/** The pictures of a configuration, not decoded. @throws {UserError} */
export function openSource(data: PicturesConfig): Promise<PictureSource> {
  switch (data.source) {
    case 'folder':
      return openFolder(data.path);
    case 'class-folder':
      return openClassFolder(data.path);
    case 'tar':
      return openTarPictures(data.path);
    case 'lmdb':
      return openLmdb(data.path);
    case 'webdataset':
      return openWebdataset(data.path);
    case 'coco':
      return openCoco(data.path, data.captions);
    case 'parquet':
      return openParquet(data.path, data);
  }
}

function reportSkipped(skipped: readonly SkippedFile[], read: number, report: (line: string) => void): void {
  for (const { file, reason } of skipped) report(`skipped ${file}: ${reason}`);
  if (skipped.length > 0) report(`${skipped.length} files skipped, ${read} read`);
}
