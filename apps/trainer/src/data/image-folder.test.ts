import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describeBackends, expectTensors } from '@sd/testing';
import sharp, { type Sharp } from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import { UserError } from '../user-error';
import { readSquareImage } from './image-file';
import { ImageFolder } from './image-folder';
import { withMirrored } from './mirrored';
import { openDataset } from './open-dataset';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-images-'));
});
afterEach(() => rm(folder, { recursive: true }));

const RED = { r: 220, g: 30, b: 40 };
const BLUE = { r: 20, g: 60, b: 200 };

async function put(name: string, content: Sharp | Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(
    path,
    typeof content === 'string' || content instanceof Uint8Array ? content : await content.toBuffer(),
  );
  return path;
}

/** Left half one color, right half another. */
function halves(left = RED, right = BLUE, width = 24, height = 24): Sharp {
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const { r, g, b } = i % width < width / 2 ? left : right;
    pixels.set([r, g, b], 3 * i);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** Color in the middle of the left and of the right half, of an 8 x 8 image. */
function colors(image: Uint8Array): [number[], number[]] {
  expect(image.length).toBe(8 * 8 * 3);
  const at = (row: number, column: number) => [...image.subarray(3 * (8 * row + column), 3 * (8 * row + column) + 3)];
  return [at(4, 1), at(4, 6)];
}

function expectColors(image: Uint8Array, left: typeof RED, right: typeof RED, tolerance: number) {
  const found = colors(image).flat();
  const expected = [left.r, left.g, left.b, right.r, right.g, right.b];
  const worst = Math.max(...found.map((value, i) => Math.abs(value - expected[i])));
  expect(worst, `${found} against ${expected}`).toBeLessThanOrEqual(tolerance);
}

describe('a picture comes out as RGB in its colors', () => {
  const read = async (name: string, content: Sharp) => readSquareImage(await put(name, content), 8);

  test('from every format', async () => {
    // JPEG and the like are lossy, with color at half the resolution
    expectColors(await read('a.png', halves().png()), RED, BLUE, 1);
    expectColors(await read('a.tiff', halves().tiff({ compression: 'lzw' })), RED, BLUE, 1);
    expectColors(await read('a.tif', halves().tiff({ compression: 'none' })), RED, BLUE, 1);
    expectColors(await read('a.webp', halves().webp({ lossless: true })), RED, BLUE, 1);
    expectColors(await read('a.gif', halves().gif()), RED, BLUE, 3);
    expectColors(await read('a.jpg', halves().jpeg({ quality: 95 })), RED, BLUE, 6);
    expectColors(await read('a.jpeg', halves().jpeg({ quality: 95, progressive: true })), RED, BLUE, 6);
    expectColors(await read('a.avif', halves().avif({ quality: 90, effort: 0 })), RED, BLUE, 8);
  });

  test('from every mode', async () => {
    const gray = (value: number) => ({ r: value, g: value, b: value });
    expectColors(await read('grey.png', halves(gray(40), gray(180)).toColorspace('b-w').png()), gray(40), gray(180), 1);
    expectColors(
      await read('grey.jpg', halves(gray(40), gray(180)).toColorspace('b-w').jpeg()),
      gray(40),
      gray(180),
      3,
    );
    expectColors(await read('16.png', halves().toColorspace('rgb16').png()), RED, BLUE, 1);
    expectColors(
      await read('grey16.png', halves(gray(40), gray(180)).toColorspace('grey16').png()),
      gray(40),
      gray(180),
      1,
    );
    expectColors(await read('palette.png', halves().png({ palette: true })), RED, BLUE, 3);
    // two colors that a printer's gamut holds; there and back through the default profile is not exact
    const [ochre, slate] = [
      { r: 180, g: 140, b: 90 },
      { r: 90, g: 110, b: 130 },
    ];
    expectColors(
      await read('cmyk.jpg', halves(ochre, slate).toColorspace('cmyk').jpeg({ quality: 95 })),
      ochre,
      slate,
      16,
    );
  });

  test('with transparency laid on white', async () => {
    const alpha = new Uint8Array(24 * 24).map((_, i) => (i % 24 < 12 ? 0 : 255));
    const withAlpha = (base: Sharp) =>
      base.joinChannel(Buffer.from(alpha), { raw: { width: 24, height: 24, channels: 1 } });
    const white = { r: 255, g: 255, b: 255 };
    expectColors(await read('rgba.png', withAlpha(halves()).png()), white, BLUE, 1);
    const seventy = { r: 70, g: 70, b: 70 };
    const grayAlpha = sharp(await withAlpha(halves(seventy, seventy)).png().toBuffer()).toColorspace('b-w');
    expect((await sharp(await grayAlpha.png().toBuffer()).metadata()).channels).toBe(2);
    expectColors(await read('ga.png', grayAlpha.png()), white, seventy, 1);
    expectColors(await read('rgba.webp', withAlpha(halves()).webp({ lossless: true })), white, BLUE, 1);
  });

  test('turned as EXIF says', async () => {
    const upright = await halves().png().toBuffer();
    // 3: turned by 180 degrees, so left and right change places; 6: a quarter turn, so the halves lie on each other
    expectColors(
      await read('180.jpg', sharp(upright).withMetadata({ orientation: 3 }).jpeg({ quality: 95 })),
      BLUE,
      RED,
      6,
    );
    const quarter = await read('90.jpg', sharp(upright).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }));
    expect(Math.abs(quarter[3 * (8 * 1 + 4)] - RED.r)).toBeLessThanOrEqual(6);
    expect(Math.abs(quarter[3 * (8 * 6 + 4)] - BLUE.r)).toBeLessThanOrEqual(6);
  });

  test('of any size, the middle of what is not square', async () => {
    expectColors(await read('1x1.png', halves(RED, RED, 1, 1).png()), RED, RED, 1);
    // beside the edge between the halves, which is enlarged, the filter overshoots
    expectColors(await read('wide.png', halves(RED, BLUE, 4000, 2).png()), RED, BLUE, 16);
    expectColors(await read('tall.png', halves(RED, BLUE, 2, 4000).png()), RED, BLUE, 16);
    expectColors(await read('large.jpg', halves(RED, BLUE, 1500, 1200).jpeg()), RED, BLUE, 6);
  });

  test('also where it is an SVG', async () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="10" height="20" fill="rgb(220,30,40)"/><rect x="10" width="10" height="20" fill="rgb(20,60,200)"/></svg>';
    expectColors(await readSquareImage(await put('a.svg', svg), 8), RED, BLUE, 1);
  });
});

/** What opening says that it cannot do. */
async function complaint(path = folder): Promise<string> {
  const error = await ImageFolder.open(path, 8).then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

describe('a folder', () => {
  test('is searched with its subfolders and has one order', async () => {
    const names = ['b.png', 'a/z.PNG', 'a/b/c.JPG', 'C.png', 'a.png', 'link.png'];
    for (const name of names.slice(0, 5)) await put(name, /jpg$/i.test(name) ? halves().jpeg() : halves().png());
    await put('notes.txt', 'no picture');
    await put('a/.DS_Store', 'no picture either');
    await symlink(join(folder, 'b.png'), join(folder, 'link.png'));
    await symlink(folder, join(folder, 'around')); // a circle
    const { files, length, description, skipped } = await ImageFolder.open(folder, 8);
    expect(files).toEqual(['C.png', 'a.png', 'a/b/c.JPG', 'a/z.PNG', 'b.png', 'link.png']);
    expect(length).toBe(6);
    expect(description).toBe(`6 pictures of ${folder} at 8 px`);
    expect(skipped).toEqual([]);
  });

  test('with broken files gives the others, and says which it skipped and why', async () => {
    const jpeg = await halves(RED, BLUE, 200, 200).jpeg().toBuffer();
    const png = await halves(RED, BLUE, 200, 200).png({ compressionLevel: 0 }).toBuffer();
    await put('good/one.jpg', jpeg);
    await put('good/two.png', png);
    await put('bad/truncated.jpg', jpeg.subarray(0, jpeg.length / 2));
    await put('bad/truncated.png', png.subarray(0, png.length / 2));
    await put('bad/empty.jpg', '');
    await put('bad/text.jpg', 'this is a text\n');
    await put(
      'bad/noise.webp',
      Uint8Array.from({ length: 500 }, (_, i) => (i * 89) % 256),
    );
    await symlink(join(folder, 'nowhere.png'), join(folder, 'bad', 'link.png'));
    const said: string[] = [];
    const shown: string[] = [];
    const dataset = await openDataset(
      { source: 'folder', path: folder, size: 8, crop: 'center', flip: false },
      0,
      (label, total, unit) => ({ update: (done) => shown.push(`${label} ${done}/${total} ${unit}`), stop: () => {} }),
      (line) => said.push(line),
    );
    expect(dataset.length).toBe(2);
    expect(shown.at(-1)).toBe('read pictures 8/8 picture');
    expect(said.map((line) => line.replace(/: .*/, ''))).toEqual([
      'skipped bad/empty.jpg',
      'skipped bad/link.png',
      'skipped bad/noise.webp',
      'skipped bad/text.jpg',
      'skipped bad/truncated.jpg',
      'skipped bad/truncated.png',
      '6 files skipped, 2 read',
    ]);
    for (const line of said.slice(0, -1)) {
      expect(line.split(': ').slice(1).join(': ').length, line).toBeGreaterThan(10);
      expect(line).not.toContain(folder);
    }
  });

  test('that claims more pixels than any photograph has is skipped, not decoded', async () => {
    await put('ok.png', halves().png());
    await put(
      'bomb.svg',
      '<svg xmlns="http://www.w3.org/2000/svg" width="30000" height="30000"><rect width="1" height="1"/></svg>',
    );
    const { skipped } = await ImageFolder.open(folder, 8);
    expect(skipped).toEqual([{ file: 'bomb.svg', reason: 'Input image exceeds pixel limit' }]);
  });

  test('without pictures is an error that says what was looked for', async () => {
    await put('notes.txt', 'x');
    expect(await complaint()).toMatchInlineSnapshot(
      `"data: no pictures in FOLDER: looked there and in its subfolders for .jpg, .jpeg, .png, .webp, .gif, .tif, .tiff, .avif, .svg"`,
    );
  });

  test('with none that can be read is an error that says why not', async () => {
    await put('a.jpg', 'text');
    await put('b.png', '');
    expect(await complaint()).toMatchInlineSnapshot(
      `"data: none of the 2 pictures in FOLDER could be read; a.jpg: Input file contains unsupported image format"`,
    );
  });

  test('that is missing, or a file, is an error', async () => {
    const file = await put('a.png', halves().png());
    expect(await complaint(join(folder, 'none'))).toMatchInlineSnapshot(`"data: there is no folder FOLDER/none"`);
    expect(await complaint(file)).toMatchInlineSnapshot(`"data: FOLDER/a.png is a file, not a folder of pictures"`);
  });
});

describeBackends(['cpu'], () => {
  test('images are batched by index, in [-1, 1]', async () => {
    await put('a.png', halves({ r: 0, g: 255, b: 51 }, { r: 0, g: 255, b: 51 }).png());
    await put('b.png', halves({ r: 255, g: 0, b: 204 }, { r: 255, g: 0, b: 204 }).png());
    const images = await ImageFolder.open(folder, 8);
    const batch = await expectTensors(1, () => images.batch([1, 0, 1]));
    expect(batch.shape).toEqual([3, 8, 8, 3]);
    const data = await batch.data();
    const pixel = (i: number) => [...data.subarray(i * 192, i * 192 + 3)];
    expect(pixel(0)).toBeAllclose([1, -1, 0.6], 1e-6);
    expect(pixel(1)).toBeAllclose([-1, 1, -0.6], 1e-6);
    expect(pixel(2)).toEqual(pixel(0));
    batch.dispose();
  });

  test('mirrored images come after the others, each once', async () => {
    await put('a.png', halves().png());
    const open = (flip: boolean) =>
      openDataset({ source: 'folder', path: folder, size: 8, crop: 'center', flip }, 0, silentProgress, () => {});
    const [plain, both] = [await open(false), await open(true)];
    expect([plain.length, both.length]).toEqual([1, 2]);
    expect(both.description).toBe(`${plain.description}, and mirrored`);
    const batch = await expectTensors(1, () => withMirrored(plain).batch([1, 0]));
    const data = await batch.data();
    const row = (i: number) =>
      Array.from({ length: 8 }, (_, x) => [...data.subarray(i * 192 + 3 * x, i * 192 + 3 * x + 3)]);
    expect(row(0)).toEqual(row(1).reverse());
    expect(row(1)).not.toEqual(row(0));
    batch.dispose();
  });
});
