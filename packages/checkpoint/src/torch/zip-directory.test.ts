import { expect, test } from 'vitest';
import { CheckpointError } from '../checkpoint-error';
import { readNow } from '../range-source';
import { bytesOf, little, zipOf } from './testing';
import { isZip, locateZipEntry, readZipDirectory } from './zip-directory';

const fail = (part: string, expected: string, actual: string) => new CheckpointError('read', part, expected, actual);
const files = [
  { name: 'x/a', data: Uint8Array.of(1, 2, 3) },
  { name: 'x/b', data: Uint8Array.of(4) },
];

function contents(bytes: Uint8Array): Record<string, number[]> {
  const directory = readNow(bytes, readZipDirectory(bytes.length, fail));
  return Object.fromEntries(
    [...directory.entries].map(([name, entry]) => {
      const begin = readNow(bytes, locateZipEntry(entry, directory, fail));
      return [name, [...bytes.subarray(begin, begin + entry.size)]];
    }),
  );
}

const whole = { 'x/a': [1, 2, 3], 'x/b': [4] };

test('entries are found', () => {
  expect(isZip(zipOf(files))).toBe(true);
  expect(contents(zipOf(files))).toEqual(whole);
});

test('entries are found in zip64 fields', () => {
  expect(contents(zipOf(files, true))).toEqual(whole);
});

test('entries are found before a comment that looks like an end', () => {
  const bytes = zipOf(files);
  const comment = bytesOf('PK\x05\x06', new Uint8Array(20).fill(255));
  bytes.set(little(comment.length, 2), bytes.length - 2);
  expect(contents(bytesOf(bytes, comment))).toEqual(whole);
});

/** The archive with these bytes written over it, counted from the first signature that is found. */
function spoilt(signature: string, at: number, bytes: Uint8Array, wide = false): () => unknown {
  const archive = Buffer.from(zipOf(files, wide));
  archive.set(bytes, archive.indexOf(signature) + at);
  return () => contents(archive);
}

test('what is wrong with an archive is said', () => {
  const LOCAL = 'PK\x03\x04';
  const ENTRY = 'PK\x01\x02';
  const END = 'PK\x05\x06';
  expect(() => contents(new Uint8Array(21))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: file must be at least 22 bytes of a zip archive, got 21]`,
  );
  expect(() => contents(new Uint8Array(30))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: file must be a whole zip archive, got one without the end of its directory]`,
  );
  expect(spoilt(END, 4, little(1, 2))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip archive must be in one part, got several]`,
  );
  expect(spoilt(END, 10, little(65534, 2))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip directory must be 3014564 bytes or more, got 98]`,
  );
  expect(spoilt(END, 10, little(65535, 2))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip64 locator must be present, got none]`,
  );
  expect(spoilt(END, 16, little(2 ** 31 - 1, 4))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip directory must be within the 190 bytes of the file, got 2147483647 + 98]`,
  );
  expect(spoilt(ENTRY, 0, little(0, 4))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip directory must be 2 entries, got 0]`,
  );
  expect(spoilt(ENTRY, 28, little(9999, 2))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip directory must be 2 entries, got 0 and a part of one]`,
  );
  expect(spoilt(ENTRY, 8, little(1, 2))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip entry "x/a" must be free of encryption, got an encrypted one]`,
  );
  expect(spoilt(ENTRY, 10, little(8, 2))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip entry "x/a" must be stored, as torch.save writes it, got method 8 (save it again with torch.save)]`,
  );
  expect(spoilt(ENTRY, 20, little(2, 4))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip entry "x/a" must be stored, as torch.save writes it, got method 0 (save it again with torch.save)]`,
  );
  expect(spoilt(ENTRY, 42, little(2 ** 31 - 1, 4))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip entry "x/a" must be within the 70 bytes before the directory, got 3 bytes at 2147483647]`,
  );
  expect(spoilt(LOCAL, 0, little(0, 4))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip entry "x/a" header must be a local file header, got none]`,
  );
  expect(spoilt(LOCAL, 28, little(9999, 2))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip entry "x/a" header must be 3 bytes before the directory at 70, got 10032]`,
  );
  expect(spoilt('PK\x06\x07', 0, little(0, 4), true)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip64 locator must be present, got none]`,
  );
  expect(spoilt('PK\x06\x07', 8, little(2 ** 60, 8), true)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip64 directory end must be before 280, got 1152921504606847000]`,
  );
  expect(spoilt('PK\x06\x06', 0, little(0, 4), true)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip64 directory end must be present, got none]`,
  );
  expect(spoilt('PK\x06\x06', 32, little(2_000_000, 8), true)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip directory must be of at most 1000000 files, got 2000000]`,
  );
  expect(() => contents(zipOf([files[0]!, files[0]!]))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: zip entry "x/a" must be there once, got twice]`,
  );
});
