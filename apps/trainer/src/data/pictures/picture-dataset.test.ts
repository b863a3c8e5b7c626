import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../user-error';
import { decodeSquareImage } from '../image-file';
import { withMirrored } from '../mirrored';
import { DecodePool } from './decode-pool';
import { FolderPictures, openClassFolder, openFolder } from './folder-pictures';
import { numberedPicture, writeFiles } from './make-pictures';
import { PictureDataset, type PictureDatasetOptions } from './picture-dataset';

let folder: string;
const pool = new DecodePool(2);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-dataset-'));
});
afterEach(() => rm(folder, { recursive: true }));
afterAll(() => pool.close());

/** Red is the column, green the row. */
function ramp(width: number, height: number): Promise<Buffer> {
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) pixels.set([i % width, Math.floor(i / width), 0], 3 * i);
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const bytesOf = async (batch: Tensor4D) => Array.from(await batch.data(), (value) => Math.round((value + 1) * 127.5));

describe('a square', () => {
  test('is cut where it is asked for, of the picture’s own pixels', async () => {
    const picture = await ramp(40, 30);
    const corners = async (place: [number, number]) => {
      const square = await decodeSquareImage(picture, { size: 8, resize: false, place });
      return [square[0], square[1], square[3 * 63], square[3 * 63 + 1]];
    };
    expect(await corners([0, 0])).toEqual([0, 0, 7, 7]);
    expect(await corners([1, 1])).toEqual([32, 22, 39, 29]);
    expect(await corners([0.5, 0.5])).toEqual([16, 11, 23, 18]);
    expect(await corners([1, 0])).toEqual([32, 0, 39, 7]);
  });

  test('is cut from the scaled picture', async () => {
    const square = await decodeSquareImage(await ramp(80, 60), { size: 8, resize: 30, place: [1, 0] });
    // columns 32 to 39 of 40, each two of the picture's 80 wide
    expect(Math.abs(square[0] - 64.5)).toBeLessThanOrEqual(1);
    expect(Math.abs(square[3 * 63 + 1] - 14.5)).toBeLessThanOrEqual(1);
  });

  test('larger than the picture is refused', async () => {
    const small = decodeSquareImage(await ramp(40, 6), { size: 8, resize: false });
    await expect(small).rejects.toThrowErrorMatchingInlineSnapshot(
      `[Error: it is 40x6, smaller than the square of 8x8 that is cut from it]`,
    );
  });
});

describeBackends(['cpu'], () => {
  const open = async (options: Partial<PictureDatasetOptions> = {}, report?: (line: string) => void) =>
    new PictureDataset(await openFolder(folder), { size: 8, pool, ...(report ? { report } : {}), ...options });

  test('pictures are decoded in threads to the bytes that this thread gives', async () => {
    await writeFiles(folder, { 'a.png': await ramp(40, 30), 'b.png': await numberedPicture(3) });
    const dataset = await open();
    expect(dataset.description).toBe(`2 pictures of ${folder} at 8 px`);
    const batch = await expectTensors(1, () => dataset.batch([1, 0, 1]));
    expect(batch.shape).toEqual([3, 8, 8, 3]);
    const direct = await Promise.all(
      [await numberedPicture(3), await ramp(40, 30), await numberedPicture(3)].map((picture) =>
        decodeSquareImage(picture, { size: 8 }),
      ),
    );
    expect(await bytesOf(batch)).toEqual(direct.flatMap((square) => [...square]));
  });

  test('what is read ahead is what would have been read, and is read once', async () => {
    await writeFiles(folder, { 'a.png': await ramp(40, 30), 'b.png': await ramp(30, 40) });
    const source = await openFolder(folder);
    let reads = 0;
    const counted = {
      ...{ description: source.description, length: source.length, skipped: [] },
      name: (index: number) => source.name(index),
      read: (index: number) => {
        reads++;
        return source.read(index);
      },
      close: () => source.close(),
    };
    const dataset = new PictureDataset(counted, { size: 8, resize: 20, crop: 'random', pool });
    const expected = await bytesOf(await dataset.batch([0, 1], randomKey(1)));
    reads = 0;
    dataset.prefetch([0, 1], randomKey(1));
    dataset.prefetch([0, 1], randomKey(1));
    expect(await bytesOf(await dataset.batch([0, 1], randomKey(1)))).toEqual(expected);
    expect(reads).toBe(2);
  });

  test('random crops depend on the key alone, and without one lie in the middle', async () => {
    await writeFiles(folder, { 'a.png': await ramp(200, 100) });
    const dataset = await open({ resize: false, crop: 'random' });
    const corner = async (key?: ReturnType<typeof randomKey>) =>
      (await bytesOf(await dataset.batch([0], key))).slice(0, 2);
    const found = await Promise.all([1, 2, 3, 4].map((seed) => corner(randomKey(seed))));
    expect(new Set(found.map(String)).size).toBe(4);
    for (const [x, y] of found) expect(x <= 192 && y <= 92).toBe(true);
    expect(await corner(randomKey(2))).toEqual(found[1]);
    expect(await corner()).toEqual([96, 46]);
    const centered = await open({ resize: false });
    expect((await bytesOf(await centered.batch([0], randomKey(1)))).slice(0, 2)).toEqual([96, 46]);
  });

  test('in place of a broken picture stands the next of its class, always the same; it is named once', async () => {
    await writeFiles(folder, {
      'x/1.png': await numberedPicture(1),
      'x/2.png': 'broken',
      'y/3.png': await numberedPicture(3),
      'x/4.png': await numberedPicture(4),
      'y/5.png': 'broken too',
    });
    const said: string[] = [];
    const dataset = new PictureDataset(await openClassFolder(folder), {
      size: 8,
      pool,
      report: (line) => said.push(line),
    });
    expect([...(dataset.labels ?? [])]).toEqual([0, 0, 0, 1, 1]);
    const mirrored = withMirrored(dataset);
    const reds = async (indices: number[]) => {
      const bytes = await bytesOf(await mirrored.batch(indices));
      return indices.map((_, i) => bytes[i * 192] / 10);
    };
    expect(await reds([0, 1, 2, 3, 4, 6])).toEqual([1, 4, 4, 3, 3, 4]);
    expect(await reds([1, 4])).toEqual([4, 3]);
    expect([0, 1, 2, 3, 4, 6].map((index) => mirrored.sourceOf?.(index))).toEqual([0, 2, 2, 3, 3, 7]);
    expect(said.sort()).toEqual([
      'skipped x/2.png: Input buffer contains unsupported image format',
      'skipped y/5.png: Input buffer contains unsupported image format',
    ]);
    expect(dataset.brokenCount).toBe(2);
  });

  test('a set of which nothing can be read is refused', async () => {
    await writeFile(join(folder, 'a.png'), 'broken');
    await writeFile(join(folder, 'b.png'), '');
    const dataset = await open();
    const error = await expectTensors(0, () => dataset.batch([1]).catch((reason: Error) => reason));
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message.replaceAll(folder, 'FOLDER')).toMatchInlineSnapshot(
      `"data: pictures of FOLDER: none of its pictures can be read; b.png: Input Bit Array is empty"`,
    );
    const small = new PictureDataset(new FolderPictures('pictures', folder, ['c.png'], { labels: Int32Array.of(2) }), {
      size: 64,
      resize: false,
      pool,
    });
    await writeFile(join(folder, 'c.png'), await numberedPicture(1));
    await expect(small.batch([0])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[UserError: data: pictures: no picture of class 2 can be read; c.png: it is 16x16, smaller than the square of 64x64 that is cut from it]`,
    );
  });
});

describe('the pool', () => {
  let own: DecodePool;
  beforeAll(() => {
    own = new DecodePool(1);
  });
  afterAll(() => own.close());

  test('leaves the caller’s other bytes alone', async () => {
    const picture = await numberedPicture(2);
    const larger = new Uint8Array(picture.length + 10);
    larger.set(picture, 5);
    const part = larger.subarray(5, 5 + picture.length);
    expect((await own.decode(part, { size: 8 }))[0]).toBe(20);
    expect(larger.length).toBe(picture.length + 10);
    await expect(own.decode(new Uint8Array(3), { size: 8 })).rejects.toThrow(/unsupported image format/);
  });
});
