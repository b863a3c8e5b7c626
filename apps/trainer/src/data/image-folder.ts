import { readdir, stat } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../user-error';
import type { ImageDataset } from './image-dataset';
import { IMAGE_EXTENSIONS, readSquareImage } from './image-file';

/** A file that could not be read, with the reason. */
export type SkippedFile = { readonly file: string; readonly reason: string };

const READS_AT_ONCE = 8;

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
    const isFolder = await stat(path).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    if (!isFolder) throw new UserError(`data: ${path} is not a folder`);
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const candidates = entries
      .filter((entry) => entry.isFile() && IMAGE_EXTENSIONS.some((e) => e === extname(entry.name).toLowerCase()))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    if (candidates.length === 0) {
      throw new UserError(
        `data: no pictures in ${path}: looked there and in its subfolders for ${IMAGE_EXTENSIONS.join(', ')}`,
      );
    }
    const images = new Array<Uint8Array | SkippedFile>(candidates.length);
    let next = 0;
    let done = 0;
    const reader = async () => {
      while (next < candidates.length) {
        const i = next++;
        images[i] = await readSquareImage(candidates[i], size).catch((error: Error) => ({
          file: relative(path, candidates[i]),
          reason: error.message.split('\n')[0],
        }));
        onProgress(++done, candidates.length);
      }
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
    const readable = candidates.flatMap((file, i) => (images[i] instanceof Uint8Array ? [relative(path, file)] : []));
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
