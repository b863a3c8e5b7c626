import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ImageDataset } from '../data/image-dataset';
import { writeAtomically } from '../files/atomic-file';
import { UserError } from '../user-error';

const FILE = 'captions.json';

const schema = z.strictObject({
  format: z.literal('sd-captions-1'),
  /** Every text once; the first one is empty. */
  texts: z.array(z.string()).min(1),
  /** Of each image, the places of its texts. */
  ofImages: z.array(z.array(z.int().min(0))),
});

/** The texts of a folder of latents. */
export type Captions = Omit<z.infer<typeof schema>, 'format'>;

/** Gathers the texts of images that have been read. @throws {UserError} where the data has none. */
export async function gatherCaptions(dataset: ImageDataset, report: (line: string) => void): Promise<Captions> {
  const { captions } = dataset;
  if (!captions) throw new UserError('data: the condition is a text, but the pictures have no captions');
  const places = new Map([['', 0]]);
  const ofImages: number[][] = [];
  let without = 0;
  for (let i = 0; i < dataset.length; i++) {
    const texts = await captions(dataset.sourceOf?.(i) ?? i);
    if (texts.length === 0) without++;
    ofImages.push(
      texts.map((text) => {
        const place = places.get(text) ?? places.size;
        places.set(text, place);
        return place;
      }),
    );
  }
  if (without > 0)
    report(`${without} of ${dataset.length} images have no caption: they are trained without a condition`);
  return { texts: [...places.keys()], ofImages };
}

/** @param folder of latents. */
export async function writeCaptions(folder: string, captions: Captions): Promise<void> {
  await writeAtomically(join(folder, FILE), JSON.stringify({ format: 'sd-captions-1', ...captions }));
}

/** @throws {UserError} where there are none, or they are not those of so many images. */
export async function readCaptions(folder: string, images: number): Promise<Captions> {
  const path = join(folder, FILE);
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UserError(`there are no captions at ${path}: make them with \`sd encode\``);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { success, data } = schema.safeParse(value);
  const sound = success && data.ofImages.every((places) => places.every((place) => place < data.texts.length));
  if (!sound || data.ofImages.length !== images) {
    throw new UserError(`${path}: not the captions of ${images} images; \`sd encode\` makes them again`);
  }
  const { texts, ofImages } = data;
  return { texts, ofImages };
}
