import type { RangeSource } from '@sd/checkpoint';
import type { DroppedFile } from '../dropped-file';
import { UserError } from '../user-error';

/** What was dropped, as a tree of files. */
export class DroppedFiles {
  readonly #byPath = new Map<string, File>();

  /** @throws {UserError} where two files have one path: their folders would tell them apart. */
  constructor(files: readonly DroppedFile[]) {
    for (const { path, file } of files) {
      if (this.#byPath.has(path)) throw new UserError(`${path} is there twice: drop the folders that they lie in`);
      this.#byPath.set(path, file);
    }
  }

  get paths(): readonly string[] {
    return [...this.#byPath.keys()];
  }

  /** Every folder with a file in it, such as `pipeline/unet/`; '' is that of files by themselves. */
  get folders(): readonly string[] {
    return [...new Set(this.paths.map(folderOf))];
  }

  /** Names of the files in a folder, without those in folders below it. */
  namesIn(folder: string): readonly string[] {
    return this.paths.filter((path) => folderOf(path) === folder).map((path) => path.slice(folder.length));
  }

  /** @throws {UserError} where there is none. */
  file(path: string): File {
    const file = this.#byPath.get(path);
    if (file === undefined) throw new UserError(`${path} is missing`);
    return file;
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  /** How `@sd/checkpoint` and `@sd/clip` open files of a folder. */
  openIn(folder: string): (path: string) => RangeSource | undefined {
    return (path) => {
      const file = this.#byPath.get(folder + path);
      return file && rangeSource(file);
    };
  }
}

/** `pipeline/unet/` of `pipeline/unet/config.json`. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

export function rangeSource(file: File): RangeSource {
  return {
    size: file.size,
    read: async (offset, length) => new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()),
  };
}
