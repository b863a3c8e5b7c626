import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { golden } from '@sd/testing';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { create } from 'tar';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../user-error';
import { decodeSquareImage } from '../image-file';
import { openSource } from '../open-dataset';
import { numberedPicture, pictureNumber, writeFiles } from './make-pictures';
import type { PictureSource } from './picture-source';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-pictures-'));
});
afterEach(() => rm(folder, { recursive: true }));

type Source = Parameters<typeof openSource>[0];
const open = (source: Partial<Source> & Pick<Source, 'source'>) =>
  openSource({ path: folder, size: 8, crop: 'center', flip: false, ...source } as Source);

/** The number that each picture shows, in the order of the source. */
async function numbers(source: PictureSource): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < source.length; i++) {
    found.push(pictureNumber(await decodeSquareImage(await source.read(i), { size: 8 })));
  }
  await source.close();
  return found;
}

const pathless = (text: string) => text.replaceAll(folder, 'FOLDER');
const skipped = (source: PictureSource) => source.skipped.map(({ file, reason }) => pathless(`${file}: ${reason}`));

async function complaint(source: Parameters<typeof open>[0]): Promise<string> {
  const error = await open(source).then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return pathless(error.message);
}

/** A tar as GNU tar and node-tar write it. */
async function tarOf(name: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const contents = join(folder, `.${name}`);
  await writeFiles(contents, files);
  const file = join(folder, name);
  await create({ file, cwd: contents, portable: true }, Object.keys(files));
  await rm(contents, { recursive: true });
  return file;
}

describe('class folders', () => {
  test('are numbered by name; a folder without pictures keeps its number and is named', async () => {
    await writeFiles(folder, {
      'rose/b.png': await numberedPicture(2),
      'daisy/a.png': await numberedPicture(0),
      'daisy/deep/er.png': await numberedPicture(1),
      'tulip/c.png': await numberedPicture(3),
      'stray.png': await numberedPicture(4),
      'empty/notes.txt': '',
    });
    const source = await open({ source: 'class-folder' });
    expect(source.classNames).toEqual(['daisy', 'empty', 'rose', 'tulip']);
    expect([...(source.labels ?? [])]).toEqual([0, 0, 2, 3]);
    expect(skipped(source)).toEqual(['stray.png: it is in no class folder', 'empty: a class folder without a picture']);
    expect(await numbers(source)).toEqual([0, 1, 2, 3]);
  });

  test('that are none are refused', async () => {
    await writeFiles(folder, { 'a.png': await numberedPicture(0) });
    expect(await complaint({ source: 'class-folder' })).toMatchInlineSnapshot(
      `"data: FOLDER has no folders, which would be its classes"`,
    );
    await mkdir(join(folder, 'empty'));
    expect(await complaint({ source: 'class-folder' })).toMatchInlineSnapshot(
      `"data: the class folders of FOLDER hold no picture"`,
    );
    await rm(join(folder, 'a.png'));
    expect(await complaint({ source: 'class-folder' })).toMatchInlineSnapshot(
      `"data: no pictures in FOLDER: looked there and in its subfolders for .jpg, .jpeg, .png, .webp, .gif, .tif, .tiff, .avif, .svg"`,
    );
  });
});

describe('tars', () => {
  const long = `${'deeper/'.repeat(30)}p.png`;

  test('like ImageNet’s: a tar of a tar for each class', async () => {
    const inner = async (name: string, from: number) =>
      readFile(
        await tarOf(name, { 'x_1.JPEG': await numberedPicture(from), 'x_2.JPEG': await numberedPicture(from + 1) }),
      );
    const classes = { 'n02.tar': await inner('n02.tar', 2), 'n01.tar': await inner('n01.tar', 0) };
    for (const name of Object.keys(classes)) await rm(join(folder, name));
    const path = await tarOf('ILSVRC2012_img_train.tar', classes);
    for (const at of [path, folder]) {
      const source = await open({ source: 'tar', path: at });
      expect(source.classNames).toEqual(['n01', 'n02']);
      expect([...(source.labels ?? [])]).toEqual([1, 1, 0, 0]);
      expect(source.name(0)).toBe('ILSVRC2012_img_train.tar/n02.tar/x_1.JPEG');
      expect(source.groups).toEqual([4]);
      expect(await numbers(source)).toEqual([2, 3, 0, 1]);
    }
  });

  test('one for each class, or with a folder for each, or with neither', async () => {
    await tarOf('b.tar', { 'x.png': await numberedPicture(1), 'readme.txt': 'none' });
    await tarOf('a.tar', { 'x.png': await numberedPicture(0) });
    const each = await open({ source: 'tar' });
    expect([each.classNames, [...(each.labels ?? [])]]).toEqual([
      ['a', 'b'],
      [0, 1],
    ]);
    expect(await numbers(each)).toEqual([0, 1]);
    const inFolders = await tarOf('c.tar', {
      'two/x.png': await numberedPicture(2),
      'one/x.png': await numberedPicture(1),
    });
    const folders = await open({ source: 'tar', path: inFolders });
    expect([folders.classNames, [...(folders.labels ?? [])]]).toEqual([
      ['one', 'two'],
      [1, 0],
    ]);
    const none = await open({ source: 'tar', path: join(folder, 'a.tar') });
    expect(none.labels).toBeUndefined();
    await none.close();
  });

  test('with names that need an extended header', async () => {
    const path = await tarOf('a.tar', { [long]: await numberedPicture(5), 'ü.png': await numberedPicture(6) });
    const source = await open({ source: 'tar', path });
    expect([source.name(0), source.name(1)]).toEqual([`a.tar/${long}`, 'a.tar/ü.png']);
    expect(await numbers(source)).toEqual([5, 6]);
  });

  test('cut short or overwritten give what comes before, and are named', async () => {
    const files = Object.fromEntries(
      await Promise.all([0, 1, 2].map(async (i) => [`${i}.png`, await numberedPicture(i)] as const)),
    );
    const path = await tarOf('a.tar', files);
    const whole = await readFile(path);
    const second = whole.indexOf('1.png');
    const check = async (bytes: Uint8Array) => {
      await writeFile(path, bytes);
      const source = await open({ source: 'tar' });
      return [skipped(source), await numbers(source)] as const;
    };
    expect(await check(whole)).toEqual([[], [0, 1, 2]]);
    expect(await check(whole.subarray(0, second + 700))).toMatchInlineSnapshot(`
      [
        [
          "a.tar: it has no end mark: what came after is lost",
        ],
        [
          0,
          1,
        ],
      ]
    `);
    expect(await check(whole.subarray(0, second + 530))).toMatchInlineSnapshot(`
      [
        [
          "a.tar: it ends within 1.png, of which 18 of 103 bytes are there",
        ],
        [
          0,
        ],
      ]
    `);
    expect(await check(whole.subarray(0, second + 100))).toMatchInlineSnapshot(`
      [
        [
          "a.tar: it ends within a header at byte 1024",
        ],
        [
          0,
        ],
      ]
    `);
    const damaged = Buffer.from(whole);
    damaged.fill(0x41, second, second + 40);
    expect(await check(damaged)).toMatchInlineSnapshot(`
      [
        [
          "a.tar: what is at byte 1024 is no header",
        ],
        [
          0,
        ],
      ]
    `);
  });

  test('that are compressed, empty, missing or nothing of the kind are refused', async () => {
    await writeFile(join(folder, 'a.tar'), Buffer.from([0x1f, 0x8b, 8, 0]));
    expect(await complaint({ source: 'tar' })).toMatchInlineSnapshot(
      `"data: FOLDER/a.tar is compressed: unpack it with gunzip, so that its files can be read one by one"`,
    );
    await writeFile(
      join(folder, 'a.tar'),
      'no tar, but a text that is long enough to be read as its first header'.repeat(20),
    );
    expect(await complaint({ source: 'tar' })).toMatchInlineSnapshot(
      `"data: no pictures in the tars of FOLDER; a.tar: what is at byte 0 is no header"`,
    );
    expect(await complaint({ source: 'tar', path: join(folder, 'none') })).toMatchInlineSnapshot(
      `"data: there is no FOLDER/none"`,
    );
    await rm(join(folder, 'a.tar'));
    expect(await complaint({ source: 'tar' })).toMatchInlineSnapshot(`"data: no file of .tar in FOLDER"`);
  });
});

describe('webdataset shards as img2dataset writes them', () => {
  const sample = async (key: string, number: number, caption: string) => ({
    [`${key}.png`]: await numberedPicture(number),
    [`${key}.txt`]: caption,
    [`${key}.json`]: JSON.stringify({ caption: `${caption} (json)`, status: 'success' }),
  });

  test('give pictures with captions, shard by shard', async () => {
    await tarOf('00001.tar', await sample('000010000', 3, 'third'));
    await tarOf('00000.tar', {
      ...(await sample('000000000', 1, 'first\n')),
      '000000001.json': JSON.stringify({ caption: null, status: 'failed_to_download' }),
      '000000002.json': '{"caption": "second"}',
      '000000002.jpg': await numberedPicture(2),
      '000000003.png': await numberedPicture(4),
    });
    await writeFiles(folder, { '00000.parquet': 'the table that img2dataset writes beside', '00000_stats.json': '{}' });
    const source = await open({ source: 'webdataset' });
    expect(source.groups).toEqual([3, 1]);
    expect(skipped(source)).toEqual(['00000.tar/000000001: a sample without a picture']);
    const captions = await Promise.all([0, 1, 2, 3].map((i) => source.captions?.(i)));
    expect(captions).toEqual([['first'], ['second'], [], ['third']]);
    expect(await numbers(source)).toEqual([1, 2, 4, 3]);
  });

  test('give classes where every sample has one', async () => {
    await tarOf('0.tar', {
      'a.cls': '7',
      'a.png': await numberedPicture(1),
      'b.cls': '0\n',
      'b.png': await numberedPicture(2),
    });
    const source = await open({ source: 'webdataset' });
    expect([...(source.labels ?? [])]).toEqual([7, 0]);
    expect(source.captions).toBeUndefined();
    await tarOf('1.tar', { 'c.cls': 'rose', 'c.png': await numberedPicture(3) });
    expect(await complaint({ source: 'webdataset' })).toMatchInlineSnapshot(
      `"data: the class of c is "rose", not a whole number from 0"`,
    );
  });
});

describe('an LMDB as LSUN is published', () => {
  const file = () => join(folder, 'data.mdb');

  test('written by LMDB 0.9: every value by its key, small ones and those with pages of their own', async () => {
    await writeFile(file(), golden('pictures.mdb'));
    const source = await open({ source: 'lmdb' });
    expect(source.length).toBe(90);
    const names = Array.from({ length: 90 }, (_, i) => source.name(i));
    expect(names).toEqual([...names].sort());
    expect(names[0]).toMatch(/^[0-9a-f]{40}$/);
    const reds: number[] = [];
    for (let i = 0; i < 90; i++) {
      const [r, g, b] = await decodeSquareImage(await source.read(i), { size: 8 });
      expect([g, b]).toEqual([255 - r, (7 * r) % 256]);
      reds.push(r);
    }
    expect(reds.sort((a, b) => a - b)).toEqual(Array.from({ length: 90 }, (_, i) => i));
    await source.close();
    const alone = await open({ source: 'lmdb', path: file() });
    expect(alone.length).toBe(90);
  });

  test('that is damaged is refused, wherever it is', async () => {
    const good = Buffer.from(golden('pictures.mdb'));
    const check = async (change: (bytes: Buffer) => Uint8Array | undefined) => {
      const bytes = Buffer.from(good);
      await writeFile(file(), change(bytes) ?? bytes);
      return complaint({ source: 'lmdb' });
    };
    expect(await check((bytes) => bytes.subarray(0, 100))).toMatchInlineSnapshot(
      `"data: FOLDER/data.mdb is no sound LMDB of version 0.9: it ends within the page at byte 0"`,
    );
    expect(await check((bytes) => bytes.subarray(0, 5 * 4096))).toMatchInlineSnapshot(
      `"data: FOLDER/data.mdb is no sound LMDB of version 0.9: it points to page 8 of 5"`,
    );
    expect(await check((bytes) => void bytes.writeUInt32LE(1, 16))).toMatchInlineSnapshot(
      `"data: FOLDER/data.mdb is no sound LMDB of version 0.9: it does not begin as one"`,
    );
    expect(await check((bytes) => void bytes.writeUInt32LE(5000, 40))).toMatchInlineSnapshot(
      `"data: FOLDER/data.mdb is no sound LMDB of version 0.9: pages of 5000 bytes"`,
    );
    expect(await complaint({ source: 'lmdb', path: join(folder, 'none') })).toMatchInlineSnapshot(
      `"data: there is no FOLDER/none"`,
    );
  });

  test('with any of its bytes changed is read or refused, and nothing else', async () => {
    const good = golden('pictures.mdb');
    for (let trial = 0; trial < 60; trial++) {
      const bytes = Buffer.from(good);
      // the headers and the first nodes of each page in turn
      const at = (trial % Math.floor(bytes.length / 4096)) * 4096 + ((trial * 37) % 160);
      bytes[at] ^= 1 << (trial % 8);
      await writeFile(file(), bytes);
      const outcome = await open({ source: 'lmdb' }).then(
        async (source) => {
          // an older transaction is as sound: a later one that was not finished counts for nothing
          expect([30, 90]).toContain(source.length);
          await source.close();
        },
        (error: Error) => error,
      );
      if (outcome !== undefined) expect(outcome, `byte ${at}`).toBeInstanceOf(UserError);
    }
  });
});

describe('COCO captions', () => {
  const captions = () => join(folder, 'captions.json');
  const coco = () => ({ source: 'coco', path: join(folder, 'train2017'), captions: captions() }) as const;

  test('belong to their pictures; what has no counterpart is named and counted', async () => {
    await writeFiles(folder, {
      'train2017/000001.png': await numberedPicture(1),
      'train2017/000002.png': await numberedPicture(2),
      'train2017/000004.png': await numberedPicture(4),
      'train2017/000009.png': await numberedPicture(9),
      'captions.json': JSON.stringify({
        info: { year: 2017 },
        images: [
          { id: 2, file_name: '000002.png', height: 16, width: 16, license: 3 },
          { id: 1, file_name: '000001.png' },
          { id: 3, file_name: '000003.png' },
          { id: 4, file_name: '000004.png' },
        ],
        annotations: [
          { image_id: 1, id: 10, caption: 'a dog ' },
          { image_id: 2, id: 11, caption: 'a cat' },
          { image_id: 1, id: 12, caption: 'the dog' },
          { image_id: 3, id: 13, caption: 'gone' },
          { image_id: 77, id: 14, caption: 'of nothing' },
          { image_id: 4, id: 15, caption: ' ' },
        ],
      }),
    });
    const source = await open(coco());
    expect(skipped(source)).toEqual([
      '000003.png: captions without a picture',
      '000004.png: a picture without captions',
      '77: captions of an image that the file does not list',
      '000009.png: a picture that the captions do not list',
    ]);
    expect(await source.captions?.(0)).toEqual(['a cat']);
    expect(await source.captions?.(1)).toEqual(['a dog', 'the dog']);
    expect(await numbers(source)).toEqual([2, 1]);
  });

  test('of many lost pictures are counted, some named', async () => {
    const images = Array.from({ length: 30 }, (_, id) => ({ id, file_name: `${id}.png` }));
    const annotations = images.map(({ id }) => ({ image_id: id, caption: 'x' }));
    await writeFiles(folder, {
      'train2017/0.png': await numberedPicture(0),
      'captions.json': JSON.stringify({ images, annotations }),
    });
    const lost = skipped(await open(coco()));
    expect(lost.length).toBe(21);
    expect(lost.at(-1)).toBe('9 more: captions without a picture');
  });

  test('that are missing, no JSON or something else are refused', async () => {
    await writeFiles(folder, { 'train2017/1.png': await numberedPicture(1) });
    expect(await complaint(coco())).toMatchInlineSnapshot(`"data: cannot read FOLDER/captions.json: no such file"`);
    await writeFile(captions(), '{"images": [');
    expect(await complaint(coco())).toMatchInlineSnapshot(
      `"data: FOLDER/captions.json is not JSON: Unexpected end of JSON input"`,
    );
    await writeFile(captions(), '{"images": [], "annotations": [{"caption": 1, "image_id": 1}]}');
    expect(await complaint(coco())).toMatchInlineSnapshot(
      `"data: FOLDER/captions.json is not a file of COCO captions: annotations.0.caption: Invalid input: expected string, received number"`,
    );
    await writeFile(captions(), '{"images": [{"id": 1, "file_name": "2.png"}], "annotations": []}');
    expect(await complaint(coco())).toMatchInlineSnapshot(
      `"data: none of the 1 images of FOLDER/captions.json with captions is in FOLDER/train2017"`,
    );
  });
});

describe('parquet files of Hugging Face', () => {
  type Row = { readonly number: number; readonly label: number; readonly text: string | string[] };

  async function write(name: string, rows: readonly Row[], groupSize = 100): Promise<void> {
    const pictures = await Promise.all(rows.map(({ number }) => numberedPicture(number)));
    const info = { features: { image: { _type: 'Image' }, label: { names: ['cat', 'dog'], _type: 'ClassLabel' } } };
    const buffer = parquetWriteBuffer({
      schema: [
        { name: 'root', num_children: 3 },
        { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
        { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
        { name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' },
        { name: 'text', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      ],
      columnData: [
        {
          name: 'image',
          data: pictures.map((bytes, i) => ({ bytes: new Uint8Array(bytes), path: `${rows[i].number}.png` })),
        },
        { name: 'label', data: rows.map(({ label }) => BigInt(label)) },
        { name: 'text', data: rows.map(({ text }) => text) },
      ],
      rowGroupSize: groupSize,
      kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info }) }],
    });
    await writeFile(join(folder, name), new Uint8Array(buffer));
  }
  const row = (number: number): Row => ({ number, label: number % 2, text: `number ${number}` });
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => row(from + i));

  test('give pictures, classes with their names, and captions, row group by row group', async () => {
    await write('train-00001-of-00002.parquet', range(7, 9));
    await write('train-00000-of-00002.parquet', range(0, 7), 3);
    const source = await open({ source: 'parquet' });
    expect(source.groups).toEqual([3, 3, 1, 2]);
    expect(source.classNames).toEqual(['cat', 'dog']);
    expect([...(source.labels ?? [])]).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0]);
    expect(await source.captions?.(5)).toEqual(['number 5']);
    expect([source.name(4), source.name(8)]).toEqual([
      'train-00000-of-00002.parquet row 4',
      'train-00001-of-00002.parquet row 1',
    ]);
    expect(await numbers(source)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('have columns of other names where they are named', async () => {
    await write('a.parquet', range(0, 2));
    expect((await open({ source: 'parquet', captionColumn: 'label' } as never)).length).toBe(2);
    expect(await complaint({ source: 'parquet', imageColumn: 'imgae' } as never)).toMatchInlineSnapshot(
      `"data.imageColumn: FOLDER has no column "imgae": it has image, label, text"`,
    );
  });

  test('that are broken, without pictures or with classes that are none are refused', async () => {
    await writeFile(join(folder, 'a.parquet'), 'PAR1 but nothing else');
    expect(await complaint({ source: 'parquet' })).toMatchInlineSnapshot(
      `"data: FOLDER/a.parquet is no sound parquet file: parquet file invalid (footer != PAR1)"`,
    );
    const other = parquetWriteBuffer({ columnData: [{ name: 'number', data: [1, 2], type: 'INT32' }] });
    await writeFile(join(folder, 'a.parquet'), new Uint8Array(other));
    expect(await complaint({ source: 'parquet' })).toMatchInlineSnapshot(
      `"data: FOLDER has no column "image": name one of number as data.imageColumn"`,
    );
    await write('a.parquet', [{ ...row(1), label: -1 }]);
    expect(await complaint({ source: 'parquet' })).toMatchInlineSnapshot(
      `"data: FOLDER/a.parquet row 0: the label is -1, not a whole number from 0"`,
    );
    await write('a.parquet', range(0, 4));
    const whole = await readFile(join(folder, 'a.parquet'));
    whole.fill(0, 10, 60);
    await writeFile(join(folder, 'a.parquet'), whole);
    const source = await open({ source: 'parquet', labelColumn: 'label' } as never);
    await expect(source.read(0)).rejects.toThrow(/rows 0 to 3 cannot be read/);
  });
});
