import { basename } from 'node:path';
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { UserError } from '../../user-error';
import { listFiles } from './list-files';
import type { PictureSource } from './picture-source';

/** Row groups that stay in memory, decoded. */
const HELD_GROUPS = 4;

export type ParquetOptions = {
  /** Column of the pictures: bytes, or Hugging Face's struct of bytes and path. `image` by default. */
  readonly imageColumn?: string | undefined;
  /** Column of class numbers; `label` where there is one. */
  readonly labelColumn?: string | undefined;
  /** Column of texts, or of lists of texts; `text` or `caption` where there is one. */
  readonly captionColumn?: string | undefined;
};

type Shard = { readonly path: string; readonly file: AsyncBuffer; readonly metadata: FileMetaData };
type Group = { readonly shard: Shard; readonly firstRow: number; readonly rows: number };

/**
 * Parquet files with encoded pictures, as the datasets of Hugging Face are published.
 * @param path of a file, or of a folder of files. @throws {UserError}
 */
export async function openParquet(path: string, options: ParquetOptions = {}): Promise<PictureSource> {
  const shards: Shard[] = [];
  for (const file of await listFiles(path, ['.parquet'])) shards.push(await openShard(file));
  const groups = shards.flatMap((shard) => groupsOf(shard));
  if (groups.length === 0) throw new UserError(`data: ${path} has no rows`);
  const [{ metadata }] = shards;
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  const imageColumn = chosenColumn(path, 'imageColumn', options.imageColumn, columns, ['image', 'img', 'jpg', 'png']);
  const labelColumn = chosenColumn(path, 'labelColumn', options.labelColumn, columns, [
    'label',
    'labels',
    'fine_label',
  ]);
  const captionColumn = chosenColumn(path, 'captionColumn', options.captionColumn, columns, [
    'text',
    'caption',
    'captions',
  ]);
  if (imageColumn === undefined) {
    throw new UserError(`data: ${path} has no column "image": name one of ${columns.join(', ')} as data.imageColumn`);
  }
  const labels = labelColumn === undefined ? undefined : await readLabels(groups, labelColumn);
  return new ParquetPictures(`pictures of ${path}`, groups, imageColumn, {
    labels,
    classNames: labels && classNamesOf(metadata, labelColumn as string),
    captionColumn,
  });
}

class ParquetPictures implements PictureSource {
  readonly length: number;
  readonly labels: Int32Array | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly captions: PictureSource['captions'];
  readonly groups: readonly number[];
  readonly skipped = [];
  /** First index of each group. */
  readonly #starts: number[] = [];
  readonly #held = new Map<number, Promise<readonly Record<string, unknown>[]>>();

  constructor(
    readonly description: string,
    private readonly parts: readonly Group[],
    private readonly imageColumn: string,
    facts: {
      labels: Int32Array | undefined;
      classNames: readonly string[] | undefined;
      captionColumn: string | undefined;
    },
  ) {
    let length = 0;
    for (const { rows } of parts) {
      this.#starts.push(length);
      length += rows;
    }
    this.length = length;
    this.groups = parts.map(({ rows }) => rows);
    this.labels = facts.labels;
    this.classNames = facts.classNames;
    const { captionColumn } = facts;
    this.captions = captionColumn === undefined ? undefined : (index) => this.#captions(index, captionColumn);
  }

  name(index: number): string {
    const { part, row } = this.#place(index);
    const { shard, firstRow } = this.parts[part];
    return `${basename(shard.path)} row ${firstRow + row}`;
  }

  async read(index: number): Promise<Uint8Array> {
    const { part, row } = this.#place(index);
    const value = (await this.#rows(part))[row][this.imageColumn];
    const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null)?.bytes;
    if (!(bytes instanceof Uint8Array)) throw new Error(`its column "${this.imageColumn}" holds no bytes of a picture`);
    return bytes.slice();
  }

  async close(): Promise<void> {
    this.#held.clear();
  }

  async #captions(index: number, column: string): Promise<readonly string[]> {
    const { part, row } = this.#place(index);
    const { shard, firstRow } = this.parts[part];
    const [value] = await readRows(shard, firstRow + row, 1, [column]);
    const texts = Array.isArray(value[column]) ? (value[column] as unknown[]) : [value[column]];
    return texts.filter((text): text is string => typeof text === 'string' && text.trim() !== '');
  }

  #place(index: number): { part: number; row: number } {
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle] <= index) low = middle;
      else high = middle;
    }
    return { part: low, row: index - this.#starts[low] };
  }

  #rows(part: number): Promise<readonly Record<string, unknown>[]> {
    const { shard, firstRow, rows } = this.parts[part];
    const held = this.#held.get(part) ?? readRows(shard, firstRow, rows, [this.imageColumn]);
    this.#held.delete(part);
    this.#held.set(part, held);
    if (this.#held.size > HELD_GROUPS) this.#held.delete(this.#held.keys().next().value as number);
    return held;
  }
}

async function openShard(path: string): Promise<Shard> {
  try {
    const file = await asyncBufferFromFile(path);
    return { path, file, metadata: await parquetMetadataAsync(file) };
  } catch (error) {
    throw new UserError(`data: ${path} is no sound parquet file: ${(error as Error).message}`);
  }
}

function groupsOf(shard: Shard): Group[] {
  let firstRow = 0;
  return shard.metadata.row_groups.map(({ num_rows }) => {
    const group = { shard, firstRow, rows: Number(num_rows) };
    firstRow += group.rows;
    return group;
  });
}

async function readRows(
  { path, file, metadata }: Shard,
  firstRow: number,
  rows: number,
  columns: string[],
): Promise<Record<string, unknown>[]> {
  try {
    return await parquetReadObjects({
      file,
      metadata,
      columns,
      compressors,
      rowStart: firstRow,
      rowEnd: firstRow + rows,
      utf8: false, // else the bytes of a picture would be taken for a text
    });
  } catch (error) {
    throw new Error(`${path}: rows ${firstRow} to ${firstRow + rows - 1} cannot be read: ${(error as Error).message}`);
  }
}

async function readLabels(groups: readonly Group[], column: string): Promise<Int32Array> {
  const labels: number[] = [];
  for (const { shard, firstRow, rows } of groups) {
    const values = await readRows(shard, firstRow, rows, [column]).catch((error: Error) => {
      throw new UserError(`data: ${error.message}`);
    });
    for (const [row, value] of values.entries()) {
      const label = Number(value[column]);
      if (!Number.isSafeInteger(label) || label < 0 || value[column] === null) {
        throw new UserError(
          `data: ${shard.path} row ${firstRow + row}: the ${column} is ${String(value[column])}, not a whole number from 0`,
        );
      }
      labels.push(label);
    }
  }
  return Int32Array.from(labels);
}

/** Names of the classes, where Hugging Face's description of the columns has them. */
function classNamesOf({ key_value_metadata }: FileMetaData, column: string): readonly string[] | undefined {
  const text = key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  try {
    const { info } = JSON.parse(text ?? 'null') as { info: { features: Record<string, { names?: unknown }> } };
    const { names } = info.features[column];
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
  } catch {
    return undefined;
  }
}

function chosenColumn(
  path: string,
  option: string,
  given: string | undefined,
  columns: readonly string[],
  usual: readonly string[],
): string | undefined {
  if (given === undefined) return usual.find((name) => columns.includes(name));
  if (columns.includes(given)) return given;
  throw new UserError(`data.${option}: ${path} has no column "${given}": it has ${columns.join(', ')}`);
}
