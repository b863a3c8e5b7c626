import { type FileHandle, open } from 'node:fs/promises';
import type { FileRange } from './picture-source';

const OPEN_AT_ONCE = 64;

/** Reads ranges of many files, of which the last used ones stay open. */
export class OpenFiles {
  readonly #handles = new Map<string, Promise<FileHandle>>();

  /** @throws where the file ends before the range does. */
  async read({ file, offset, size }: FileRange): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    const handle = await this.#open(file);
    let done = 0;
    while (done < size) {
      const { bytesRead } = await handle.read(bytes, done, size - done, offset + done);
      if (bytesRead === 0) throw new Error(`${file} ends at ${offset + done} bytes, before ${offset + size}`);
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    for (const handle of handles) await handle.then((opened) => opened.close());
  }

  #open(file: string): Promise<FileHandle> {
    const known = this.#handles.get(file);
    this.#handles.delete(file);
    const handle = known ?? open(file);
    this.#handles.set(file, handle);
    if (this.#handles.size > OPEN_AT_ONCE) {
      // An earlier reading of it may be under way: a closed handle finishes what was begun.
      const [oldest, opened] = this.#handles.entries().next().value as [string, Promise<FileHandle>];
      this.#handles.delete(oldest);
      void opened.then((old) => old.close());
    }
    return handle;
  }
}
