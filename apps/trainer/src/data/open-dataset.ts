import { foldIn, randomKey } from '@sd/core';
import type { DataConfig } from '../config/schema';
import type { OpenProgress, Progress } from '../console/progress';
import { DeadLeaves } from './dead-leaves';
import type { ImageDataset } from './image-dataset';
import { ImageFolder } from './image-folder';
import { withMirrored } from './mirrored';

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
  for (const { file, reason } of folder.skipped) report(`skipped ${file}: ${reason}`);
  if (folder.skipped.length > 0) report(`${folder.skipped.length} files skipped, ${folder.length} read`);
  return data.flip ? withMirrored(folder) : folder;
}
