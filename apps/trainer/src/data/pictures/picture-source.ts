import type { SkippedFile } from '../skipped-file';

/** Pictures as they are stored, by index: a folder, archives, a database. */
export interface PictureSource {
  /** Where they are from, in words: `pictures of /data/ffhq`. */
  readonly description: string;
  readonly length: number;
  /** For messages. */
  name(index: number): string;
  /** The encoded picture. The bytes are the caller's. */
  read(index: number): Promise<Uint8Array>;
  /** A class for each. */
  readonly labels?: Int32Array | undefined;
  readonly classNames?: readonly string[] | undefined;
  /** Texts that say what a picture shows. */
  readonly captions?: ((index: number) => Promise<readonly string[]>) | undefined;
  /** Lengths of runs of pictures that lie together, so that reading them together is fast. */
  readonly groups?: readonly number[] | undefined;
  /** What was found not to be usable when the source was opened. */
  readonly skipped: readonly SkippedFile[];
  close(): Promise<void>;
}

/** A part of a file. */
export type FileRange = { readonly file: string; readonly offset: number; readonly size: number };
