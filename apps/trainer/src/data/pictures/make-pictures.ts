import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

/** For tests: a picture of one color, which says its number: red is 10 times it, green 255 minus that. */
export async function numberedPicture(number: number, width = 16, height = width): Promise<Buffer> {
  const background = { r: 10 * number, g: 255 - 10 * number, b: 128 };
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

/** For tests: the number of a picture, from the pixels that it decodes to. */
export function pictureNumber(pixels: ArrayLike<number>): number {
  return Math.round(pixels[0] / 10);
}

/** For tests: writes files under a folder, which are made where they are missing. */
export async function writeFiles(folder: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}
