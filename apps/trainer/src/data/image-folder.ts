import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../user-error';
import type { ImageDataset } from './image-dataset';
import { IMAGE_EXTENSIONS, readSquareImage } from './image-file';
import type { SkippedFile } from './skipped-file';

const READS_AT_ONCE = 8;

/** For messages. */
export const IMAGE_ENDINGS = IMAGE_EXTENSIONS.join(', ');

/**
 * The pictures of a folder and its subfolders, decoded once and held as bytes (12 KB each at 64 px). Files that cannot
 * be read are skipped and listed.
 */
export class ImageFolder implements ImageDataset {
  private constructor(
    readonly description: string,
    readonly size: number,
    private readonly images: readonly Uint8Array[],
    /** Names of the pictures, relative to the folder, in the order of their indices. */
    readonly files: readonly string[],
    readonly skipped: readonly SkippedFile[],
  ) {}

  /**
   * @param path a folder. @param size pixels. @param onProgress called after each file.
   * @throws {UserError} when the folder is missing, holds no picture, or none that can be read.
   */
  static async open(
    path: string,
    size: number,
    onProgress: (done: number, total: number) => void = () => {},
  ): Promise<ImageFolder> {
    const candidates = await findPictures(path);
    if (candidates.length === 0) {
      throw new UserError(`data: no pictures in ${path}: looked there and in its subfolders for ${IMAGE_ENDINGS}`);
    }
    const images = new Array<Uint8Array | SkippedFile>(candidates.length);
    let next = 0;
    let done = 0;
    const reader = async () => {
      while (next < candidates.length) {
        const i = next++;
        images[i] = await readSquareImage(join(path, candidates[i]), size).catch((error: Error) => ({
          file: candidates[i],
          reason: error.message.replaceAll(join(path, candidates[i]), candidates[i]).split('\n')[0],
        }));
        onProgress(++done, candidates.length);
      }
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
    const readable = candidates.filter((_, i) => images[i] instanceof Uint8Array);
    const skipped = images.filter((image): image is SkippedFile => !(image instanceof Uint8Array));
    if (readable.length === 0) {
      const [first] = skipped;
      throw new UserError(
        `data: none of the ${candidates.length} pictures in ${path} could be read; ${first.file}: ${first.reason}`,
      );
    }
    return new ImageFolder(
      `${readable.length.toLocaleString('en')} pictures of ${path} at ${size} px`,
      size,
      images.filter((image): image is Uint8Array => image instanceof Uint8Array),
      readable,
      skipped,
    );
  }

  get length(): number {
    return this.images.length;
  }

  async batch(indices: ArrayLike<number>): Promise<Tensor4D> {
    const pixels = this.size * this.size * 3;
    const data = new Float32Array(indices.length * pixels);
    for (let i = 0; i < indices.length; i++) {
      const image = this.images[indices[i]];
      for (let j = 0; j < pixels; j++) data[i * pixels + j] = image[j] / 127.5 - 1;
    }
    return tf.tensor4d(data, [indices.length, this.size, this.size, 3]);
  }
}

/** Pictures in a folder and its subfolders by relative name with `/`, sorted. Links to files count, links to folders not. */
export async function findPictures(root: string, below = ''): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await list(join(root, below))) {
    const name = below + entry.name;
    if (entry.isDirectory()) found.push(...(await findPictures(root, `${name}/`)));
    else if (isPicture(entry.name) && (await isFile(entry, join(root, name)))) found.push(name);
  }
  return below ? found : found.sort();
}

/** @throws {UserError} that says why the folder cannot be listed. */
async function list(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: `there is no folder ${folder}`,
      ENOTDIR: `${folder} is a file, not a folder of pictures`,
    };
    throw new UserError(`data: ${reasons[error.code ?? ''] ?? `cannot list ${folder}: ${error.message}`}`);
  });
}

/** Has the name the ending of a picture? */
export function isPicture(name: string): boolean {
  return IMAGE_EXTENSIONS.some((extension) => extension === extname(name).toLowerCase());
}

async function isFile(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isFile();
  return stat(path).then(
    (target) => target.isFile(),
    () => true, // a broken link: reading it says so, and it is counted among the skipped
  );
}
