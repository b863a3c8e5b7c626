import { expect, test } from 'vitest';
import { CheckpointError } from './checkpoint-error';
import { toFloat32 } from './decode';
import { readSafetensors, type Safetensors } from './read-safetensors';
import { bytesPerElement } from './tensor-view';
import { fileOf, goldenBytes, seededIntegers } from './testing';
import { writeSafetensors } from './write-safetensors';

type Random = (n: number) => number;

const PIECES = [
  ...['{', '}', '[', ']', ',', ':', '"', '\\', '\\u', ' ', '\n', '\0', '-', '.', 'e9', '0', '1', '8', '00', '\u00e9'],
  ...['null', 'true', '"__metadata__"', '"__proto__"', '"w"', '"dtype"', '"shape"', '"data_offsets"', '"F16"', '"U8"'],
  ...['9007199254740992', '18446744073709551615', '4294967296', '-1', '[[[[', '{"a":', '"\\ud800"', '1e999'],
];

function smallFiles(): Uint8Array[] {
  const texts = [
    '{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
    '{"__metadata__":{"a":"b"},"w":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"I16","shape":[1],"data_offsets":[2,4]},"b":{"dtype":"BOOL","shape":[2,1],"data_offsets":[0,2]}}',
    '{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"b":{"dtype":"F64","shape":[0],"data_offsets":[4,4],"x":[{}]}}',
  ];
  return [
    ...texts.map((text) => fileOf(text, [1, 2, 3, 4])),
    writeSafetensors(readSafetensors(goldenBytes('dtypes.safetensors')).tensors),
  ];
}

/** One to three random edits of the header's text, of its length, or of any bytes; the length mostly put right. */
function mutate(file: Uint8Array, random: Random): Uint8Array {
  const headerEnd = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  let header = file.slice(8, headerEnd);
  let data = file.slice(headerEnd);
  const edits = 1 + random(3);
  for (let i = 0; i < edits; i++) {
    const at = random(header.length + 1);
    const piece = new TextEncoder().encode(PIECES[random(PIECES.length)]!);
    switch (random(8)) {
      case 0:
        header = splice(header, at, 0, piece);
        break;
      case 1:
        header = splice(header, at, 1 + random(4), piece);
        break;
      case 2:
        header = splice(header, at, random(20), new Uint8Array(0));
        break;
      case 3:
        header = splice(header, at, 0, header.slice(at, at + random(60)));
        break;
      case 4:
        if (at < header.length) header[at] = random(256);
        break;
      case 5:
        // A digit for another: stays JSON, so that ranges and shapes are reached.
        header = header.map((byte) => (byte >= 0x30 && byte <= 0x39 && random(8) === 0 ? 0x30 + random(10) : byte));
        break;
      case 6:
        data = splice(data, random(data.length + 1), random(3), new Uint8Array(random(3)));
        break;
      default:
        header = splice(header, at, random(8), header.slice(random(header.length), random(header.length)));
    }
  }
  const length = random(10) === 0 ? BigInt(random(2 ** 31)) ** BigInt(random(3)) : BigInt(header.length);
  const result = fileOf(header, data, length);
  return random(10) === 0 ? result.slice(0, random(result.length + 1)) : result;
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove));
}

/** The result of reading, or undefined where it was refused as it should be; anything else thrown passes through. */
function readOrRefuse(bytes: Uint8Array): Safetensors | undefined {
  try {
    return readSafetensors(bytes);
  } catch (error) {
    if (error instanceof CheckpointError && error.message.length < 400) return undefined;
    throw error;
  }
}

test('200,000 mutated files are refused with a CheckpointError or read into a valid result', () => {
  const files = smallFiles();
  let read = 0;
  let slowest = 0;
  for (let seed = 0; seed < 200_000; seed++) {
    const random = seededIntegers(seed);
    // The large golden every fiftieth time: its header takes longer than all others.
    const bytes = mutate(files[seed % 50 === 0 ? 4 : seed % 4]!, random);
    const start = performance.now();
    let result: Safetensors | undefined;
    try {
      result = readOrRefuse(bytes);
    } catch (error) {
      throw new Error(`seed ${seed}: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
    }
    slowest = Math.max(slowest, performance.now() - start);
    if (result === undefined) continue;
    read++;
    let covered = 0;
    for (const [name, view] of result.tensors) {
      const count = view.shape.reduce((a, b) => a * b, 1);
      expect(view.data.length, `seed ${seed}, ${name}`).toBe(count * bytesPerElement(view.dtype));
      expect(toFloat32(view).length, `seed ${seed}, ${name}`).toBe(count);
      covered += view.data.length;
    }
    expect(8 + Number(Buffer.from(bytes).readBigUInt64LE()) + covered, `seed ${seed}`).toBe(bytes.length);
    expect([...readSafetensors(writeSafetensors(result.tensors)).tensors.keys()]).toEqual([...result.tensors.keys()]);
  }
  console.log(`read ${read}, refused ${200_000 - read}, slowest ${slowest.toFixed(1)} ms`);
  expect(read).toBeGreaterThan(2000);
  expect(read).toBeLessThan(198_000);
  expect(slowest).toBeLessThan(2000);
});

const HEADER_BYTES = 99_000_000;
const fill = (start: string, item: string, end: string) =>
  `${start}${item.repeat(Math.floor((HEADER_BYTES - start.length - end.length) / item.length))}${end}`;

test.each<[string, string, boolean]>([
  ['one string', fill('{"__metadata__":{"a":"', 'x', '"}}'), true],
  ['one string of escapes', fill('{"__metadata__":{"a":"', '\\n', '"}}'), true],
  ['spaces', fill('{', ' ', '}'), true],
  ['opening brackets', fill('{"w":{"x":', '[', ''), false],
  ['opening braces', fill('{"w":{"x":', '{"a":', ''), false],
  ['empty objects', fill('{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":[', '{},', '{}]}}'), true],
  [
    'keys in an ignored object',
    fill('{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":{', '"a":1,', '"":1}}}'),
    true,
  ],
  ['dimensions', fill('{"w":{"dtype":"U8","shape":[', '1,', '1],"data_offsets":[0,1]}}'), false],
  ['digits', fill('{"w":{"dtype":"U8","shape":[', '1', '],"data_offsets":[0,1]}}'), false],
  ['backslashes', fill('{"', '\\', ''), false],
])('a header of 99 MB of %s is read or refused within 10 seconds and 1 GB', (_, header, valid) => {
  const bytes = fileOf(header);
  const memory = process.memoryUsage().rss;
  const start = performance.now();
  const result = readOrRefuse(bytes);
  expect(result !== undefined).toBe(valid);
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(process.memoryUsage().rss - memory).toBeLessThan(1e9);
});

const unique = (item: (i: number) => string): string => {
  const items: string[] = [];
  for (let i = 0, length = 200; length < HEADER_BYTES; i++) {
    items.push(item(i));
    length += items[i]!.length + 1;
  }
  return items.join(',');
};

test.each<[string, () => string]>([
  ['metadata keys', () => `{"__metadata__":{${unique((i) => `"k${i}":""`)}}}`],
  ['metadata keys that are integers', () => `{"__metadata__":{${unique((i) => `"${(i * 397) % 4294967291}":""`)}}}`],
  ['unknown fields', () => `{"w":{${unique((i) => `"${i.toString(36)}":0`)}}}`],
])('a header of 99 MB of different %s is refused within 10 seconds', (_, header) => {
  const bytes = fileOf(header());
  const start = performance.now();
  expect(readOrRefuse(bytes)).toBeUndefined();
  expect(performance.now() - start).toBeLessThan(10_000);
});

test('a header of 99 MB of tensors is read within 30 seconds', () => {
  const header = `{${unique((i) => `"${i}":{"dtype":"U8","shape":[],"data_offsets":[${i},${i + 1}]}`)}}`;
  const count = header.split('U8').length - 1;
  const bytes = fileOf(header, new Uint8Array(count));
  const start = performance.now();
  expect(readSafetensors(bytes).tensors.size).toBe(count);
  expect(performance.now() - start).toBeLessThan(30_000);
});
