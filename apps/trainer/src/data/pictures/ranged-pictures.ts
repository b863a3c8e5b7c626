import type { SkippedFile } from '../skipped-file';
import { OpenFiles } from './open-files';
import type { FileRange, PictureSource } from './picture-source';

/** A picture that is a part of a file. */
export type RangedPicture = FileRange & { readonly name: string };

/** What is known of a source beside where its pictures lie. */
export type PictureFacts = Pick<PictureSource, 'labels' | 'classNames' | 'groups'> & {
  readonly skipped?: readonly SkippedFile[];
  /** Reads the texts of a picture. */
  readonly captions?: (index: number, files: OpenFiles) => Promise<readonly string[]>;
};

/** Pictures that lie, whole and uncompressed, in larger files. */
export class RangedPictures implements PictureSource {
  readonly labels: Int32Array | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly groups: readonly number[] | undefined;
  readonly skipped: readonly SkippedFile[];
  readonly captions: PictureSource['captions'];
  readonly #files = new OpenFiles();

  constructor(
    readonly description: string,
    private readonly pictures: readonly RangedPicture[],
    { labels, classNames, groups, skipped = [], captions }: PictureFacts = {},
  ) {
    this.labels = labels;
    this.classNames = classNames;
    this.groups = groups;
    this.skipped = skipped;
    this.captions = captions && ((index) => captions(index, this.#files));
  }

  get length(): number {
    return this.pictures.length;
  }

  name(index: number): string {
    return this.pictures[index].name;
  }

  read(index: number): Promise<Uint8Array> {
    return this.#files.read(this.pictures[index]);
  }

  close(): Promise<void> {
    return this.#files.close();
  }
}
