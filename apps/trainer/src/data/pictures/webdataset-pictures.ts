import { basename, dirname, join } from 'node:path';
import { UserError } from '../../user-error';
import { isPicture } from '../image-folder';
import type { SkippedFile } from '../skipped-file';
import { listFiles } from './list-files';
import { OpenFiles } from './open-files';
import type { FileRange, PictureSource } from './picture-source';
import { type RangedPicture, RangedPictures } from './ranged-pictures';
import { indexTar } from './tar-index';

type Sample = {
  readonly key: string;
  picture?: RangedPicture;
  readonly texts: Map<'txt' | 'json' | 'cls', FileRange>;
};

/**
 * Shards of webdataset, as img2dataset writes them (LAION): in each tar the files of a sample follow each other and
 * share a name up to the first dot: the picture, `txt` or `json` with its caption, `cls` with its class.
 * @param path of a shard, or of a folder of shards. @throws {UserError}
 */
export async function openWebdataset(path: string): Promise<PictureSource> {
  const shards = await listFiles(path, ['.tar']);
  const samples: Sample[] = [];
  const groups: number[] = [];
  const skipped: SkippedFile[] = [];
  for (const shard of shards) {
    const { entries, damage } = await indexTar(shard);
    const whole = samplesOf(entries);
    // Of a sample that the damage cut off, a part may be missing.
    if (damage) skipped.push({ file: basename(shard), reason: damage });
    const usable = whole.filter(({ picture }) => picture !== undefined);
    for (const { key, picture } of whole) {
      if (!picture) skipped.push({ file: `${basename(shard)}/${key}`, reason: 'a sample without a picture' });
    }
    samples.push(...usable);
    groups.push(usable.length);
  }
  if (samples.length === 0) throw new UserError(`data: no pictures in the shards of ${path}`);
  const hasCaptions = samples.some(({ texts }) => texts.has('txt') || texts.has('json'));
  const labels = await readLabels(samples);
  return new RangedPictures(
    `samples of ${path}`,
    samples.map(({ picture }) => picture as RangedPicture),
    {
      groups: groups.filter((length) => length > 0),
      skipped,
      labels,
      ...(hasCaptions ? { captions: (index, files) => readCaptions(samples[index], files) } : {}),
    },
  );
}

/** Files of one sample follow each other. */
function samplesOf(entries: readonly RangedPicture[]): Sample[] {
  const samples: Sample[] = [];
  for (const entry of entries) {
    const [stem, ...endings] = basename(entry.name).split('.');
    const key = join(dirname(entry.name), stem);
    const ending = endings.join('.').toLowerCase();
    let sample = samples.at(-1);
    if (sample?.key !== key) {
      sample = { key, texts: new Map() };
      samples.push(sample);
    }
    if (ending === 'txt' || ending === 'json' || ending === 'cls') sample.texts.set(ending, entry);
    else if (isPicture(entry.name)) sample.picture ??= { ...entry, name: `${basename(entry.file)}/${entry.name}` };
  }
  return samples;
}

async function readCaptions({ texts }: Sample, files: OpenFiles): Promise<readonly string[]> {
  const [text, json] = [texts.get('txt'), texts.get('json')];
  if (text)
    return [
      Buffer.from(await files.read(text))
        .toString('utf8')
        .trim(),
    ].filter((caption) => caption !== '');
  if (!json) return [];
  try {
    const { caption } = JSON.parse(Buffer.from(await files.read(json)).toString('utf8')) as { caption?: unknown };
    return typeof caption === 'string' && caption.trim() !== '' ? [caption.trim()] : [];
  } catch {
    return [];
  }
}

/** Classes, where every sample has one. */
async function readLabels(samples: readonly Sample[]): Promise<Int32Array | undefined> {
  if (!samples.every(({ texts }) => texts.has('cls'))) return undefined;
  const files = new OpenFiles();
  try {
    const labels = new Int32Array(samples.length);
    for (const [i, { key, texts }] of samples.entries()) {
      const text = Buffer.from(await files.read(texts.get('cls') as FileRange)).toString('utf8');
      const label = Number(text);
      if (!Number.isSafeInteger(label) || label < 0 || text.trim() === '') {
        throw new UserError(`data: the class of ${key} is "${text.trim().slice(0, 20)}", not a whole number from 0`);
      }
      labels[i] = label;
    }
    return labels;
  } finally {
    await files.close();
  }
}
