import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { UserError } from '../../user-error';
import { findPictures } from '../image-folder';
import type { SkippedFile } from '../skipped-file';
import { FolderPictures } from './folder-pictures';
import type { PictureSource } from './picture-source';

/** The parts of COCO's captions_*.json that are used. */
const captionsSchema = z.object({
  images: z.array(z.object({ id: z.union([z.number(), z.string()]), file_name: z.string() })),
  annotations: z.array(z.object({ image_id: z.union([z.number(), z.string()]), caption: z.string() })),
});

/** Names in a message, before it says how many more there are. */
const NAMED = 20;

/**
 * A folder of pictures with COCO's captions, five or so for each.
 * @param path of the folder. @param captionsPath of `captions_train2017.json` or the like. @throws {UserError}
 */
export async function openCoco(path: string, captionsPath: string): Promise<PictureSource> {
  const { images, annotations } = await readCaptions(captionsPath);
  const present = new Set(await findPictures(path));
  const byImage = new Map<string, string[]>();
  for (const { image_id, caption } of annotations) {
    const texts = byImage.get(String(image_id)) ?? [];
    byImage.set(String(image_id), texts);
    if (caption.trim() !== '') texts.push(caption.trim());
  }
  const described = images.filter(({ id }) => (byImage.get(String(id))?.length ?? 0) > 0);
  const usable = described.filter(({ file_name }) => present.has(file_name));
  const known = new Set(images.map(({ id }) => String(id)));
  const named = new Set(images.map(({ file_name }) => file_name));
  const skipped = [
    ...some(
      described.filter(({ file_name }) => !present.has(file_name)).map(({ file_name }) => file_name),
      'captions without a picture',
    ),
    ...some(
      images.filter(({ id }) => (byImage.get(String(id))?.length ?? 0) === 0).map(({ file_name }) => file_name),
      'a picture without captions',
    ),
    ...some(
      [...byImage.keys()].filter((id) => !known.has(id)),
      'captions of an image that the file does not list',
    ),
    ...some(
      [...present].filter((file) => !named.has(file)),
      'a picture that the captions do not list',
    ),
  ];
  if (usable.length === 0)
    throw new UserError(`data: none of the ${images.length} images of ${captionsPath} with captions is in ${path}`);
  const files = usable.map(({ file_name }) => file_name);
  const texts = usable.map(({ id }) => byImage.get(String(id)) as string[]);
  return new FolderPictures(`pictures of ${path} with the captions of ${captionsPath}`, path, files, {
    captions: async (index) => texts[index],
    skipped,
  });
}

async function readCaptions(path: string): Promise<z.infer<typeof captionsSchema>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`data: cannot read ${path}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`data: ${path} is not JSON: ${(error as Error).message}`);
  }
  const parsed = captionsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(
    `data: ${path} is not a file of COCO captions: ${issue.path.join('.') || 'top level'}: ${issue.message}`,
  );
}

/** All are counted, some are named. */
function some(files: readonly string[], reason: string): SkippedFile[] {
  const named = files.slice(0, NAMED).map((file) => ({ file, reason }));
  return files.length > NAMED ? [...named, { file: `${files.length - NAMED} more`, reason }] : named;
}
