import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { crc32c } from './crc32c';
import { EventFile } from './event-file';
import { bytesIn, fieldsOf, recordsOf } from './read-events';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-events-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('CRC-32C has the values of RFC 3720, B.4', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(ascending)).toBe(0x46dd794e);
  expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c);
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

test('numbers and pictures are read back by an independent reader', async () => {
  const before = Date.now() / 1000;
  const file = await EventFile.open(folder, 0);
  await file.addScalars(300, { loss: 0.25, 'parts/spatial': -3 });
  const png = Uint8Array.of(0x89, 0x50, 1, 2, 3);
  await file.addImage(70_000, 'samples', { png, width: 40, height: 20 });
  const records = recordsOf(await readFile(file.path)).map(fieldsOf);
  expect(records).toHaveLength(4);
  const [version, start, scalars, image] = records;
  expect(bytesIn(version, 3).toString()).toBe('brain.Event:2'); // without it TensorBoard passes the file over
  expect(fieldsOf(bytesIn(start, 7))).toEqual({ 1: [1] });
  for (const record of records) expect(record[1][0] as number).toBeGreaterThanOrEqual(before - 1);
  expect(scalars[2]).toEqual([300]);
  const values = fieldsOf(bytesIn(scalars, 5))[1].map((value) => fieldsOf(value as Buffer));
  expect(values.map((value) => [bytesIn(value, 1).toString(), value[2][0]])).toEqual([
    ['loss', 0.25],
    ['parts/spatial', -3],
  ]);
  expect(image[2]).toEqual([70_000]);
  const picture = fieldsOf(bytesIn(fieldsOf(bytesIn(image, 5)), 1));
  expect(bytesIn(picture, 1).toString()).toBe('samples');
  const { 1: height, 2: width, 3: colors, 4: encoded } = fieldsOf(bytesIn(picture, 4));
  expect([height, width, colors]).toEqual([[20], [40], [3]]);
  expect(encoded[0]).toEqual(Buffer.from(png));
});

test('a run that goes on has a file more, and says from which step; a new one forgets them', async () => {
  await EventFile.open(folder, 0);
  await writeFile(join(folder, 'other.txt'), '');
  const more = await EventFile.open(folder, 250);
  expect(await readdir(folder)).toHaveLength(3);
  const [, start] = recordsOf(await readFile(more.path)).map(fieldsOf);
  expect(start[2]).toEqual([250]);
  await EventFile.open(folder, 0);
  expect((await readdir(folder)).sort()).toEqual([
    expect.stringMatching(/^events\.out\.tfevents\.\d{10}\./),
    'other.txt',
  ]);
});

test('a file that cannot be written is named', async () => {
  await writeFile(join(folder, 'file'), '');
  const error = await EventFile.open(join(folder, 'file'), 0).catch((reason: Error) => reason);
  expect(String(error)).toMatch(/cannot write .*events\.out\.tfevents\..*: a part of its path is a file, not a folder/);
});
