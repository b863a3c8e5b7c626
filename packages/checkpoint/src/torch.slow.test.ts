import { expect, test } from 'vitest';
import { CheckpointError } from './checkpoint-error';
import { openSafetensorsShards } from './open-safetensors-shards';
import { openTorch } from './open-torch';
import type { RangeSource } from './range-source';
import { readSafetensors } from './read-safetensors';
import { readTorch } from './read-torch';
import { bytesPerElement, type TensorView } from './tensor-view';
import { goldenBytes, seededIntegers } from './testing';
import { bytesOf, little, op, zipOf } from './torch/testing';
import { writeSafetensors } from './write-safetensors';

type Random = (n: number) => number;

const ZIPS = ['torch-lightning.ckpt', 'torch-module.pth', 'torch-nested.pth', 'torch-numpy.pth', 'torch-tensors.pth'];
const LEGACY = ['torch-lightning-legacy.ckpt', 'torch-tensors-legacy.pth'];

/** What a hostile file may cost: the least copy budget, and time for a file of a few kilobytes. */
const MOST_BYTES = 17e6;
const MOST_MS = 2000;

const PICKLE_PIECES = [
  ...['.', '(', ')', '}', ']', 'N', '0', '1', '2', 'R', 'b', 'Q', 't', 'u', 's', 'e', 'a', 'd', '\x81', '\x92', '\x93'],
  ...['\x85', '\x86', '\x87', 'h\x00', 'h\x05', 'q\x05', 'K\x00', 'K\xff', 'J\xff\xff\xff\xff', 'J\xff\xff\xff\x7f'],
  ...[
    'X\xff\xff\xff\xff',
    'X\x04\x00\x00\x00data',
    '\x8a\xff',
    '\x8b\xff\xff\xff\x7f',
    '\x8e',
    '\x95',
    '\x82\x01',
    'I1\n',
  ],
  ...['cos\nsystem\n', 'c__builtin__\neval\n', 'ctorch\nFloatStorage\n', 'ctorch._utils\n_rebuild_tensor_v2\n'],
  ...['ccollections\nOrderedDict\n', 'cnumpy\ndtype\n', 'c_codecs\nencode\n', 'X\x06\x00\x00\x00latin1'],
];

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  return bytesOf(bytes.subarray(0, at), insert, bytes.subarray(at + remove));
}

/** Random edits of bytes; of pickles, also of pieces that mean something. */
function edit(bytes: Uint8Array, random: Random, pieces: readonly string[]): Uint8Array {
  let result = new Uint8Array(bytes);
  const edits = 1 + random(4);
  for (let i = 0; i < edits; i++) {
    const at = random(result.length + 1);
    switch (random(7)) {
      case 0:
        if (at < result.length) result[at] = random(256);
        break;
      case 1:
        if (at < result.length) result[at]! ^= 1 << random(8);
        break;
      case 2:
        result = new Uint8Array(splice(result, at, 0, bytesOf(pieces[random(pieces.length)]!)));
        break;
      case 3:
        result = new Uint8Array(splice(result, at, 1 + random(4), bytesOf(pieces[random(pieces.length)]!)));
        break;
      case 4:
        result = new Uint8Array(splice(result, at, random(30), new Uint8Array(0)));
        break;
      case 5: {
        const from = random(result.length + 1);
        result = new Uint8Array(splice(result, at, random(8), result.slice(from, from + random(80))));
        break;
      }
      default: {
        const number = [0, 1, 255, 65535, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 53, random(1000)][random(8)]!;
        const width = [1, 2, 4, 8][random(4)]!;
        if (at + width <= result.length) result.set(little(number, width), at);
      }
    }
  }
  return random(12) === 0 ? result.slice(0, random(result.length + 1)) : result;
}

/** The stored files of an archive, by a reader of its own. */
function unzip(bytes: Uint8Array): { name: string; data: Uint8Array }[] {
  const entries: { name: string; data: Uint8Array }[] = [];
  const buffer = Buffer.from(bytes);
  for (let at = buffer.indexOf('PK\x01\x02'); at >= 0; at = buffer.indexOf('PK\x01\x02', at + 4)) {
    const name = buffer.toString('latin1', at + 46, at + 46 + buffer.readUInt16LE(at + 28));
    const header = buffer.readUInt32LE(at + 42);
    const begin = header + 30 + buffer.readUInt16LE(header + 26) + buffer.readUInt16LE(header + 28);
    entries.push({ name, data: new Uint8Array(buffer.subarray(begin, begin + buffer.readUInt32LE(at + 24))) });
  }
  return entries;
}

/** Half the time an edit of the pickle in a whole archive, which gets far; else of the archive itself. */
function mutateZip(bytes: Uint8Array, entries: ReturnType<typeof unzip>, random: Random): Uint8Array {
  if (random(2) === 0) return edit(bytes, random, ['PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06', 'PK\x06\x06', '\xff\xff']);
  const at = random(6) === 0 ? random(entries.length) : entries.findIndex(({ name }) => name.endsWith('data.pkl'));
  const edited = entries.map((entry, i) =>
    i === at ? { ...entry, data: edit(entry.data, random, PICKLE_PIECES) } : entry,
  );
  return zipOf(edited, random(4) === 0);
}

type Tally = { runs: number; read: number; tensors: number; slowest: number; most: number };

/** Reads, or sees the file refused as it should be; whatever else is thrown fails the test. */
function tryRead<T>(tally: Tally, seed: number, bytes: Uint8Array, act: () => T): T | undefined {
  tally.runs++;
  const start = performance.now();
  try {
    const result = act();
    tally.read++;
    return result;
  } catch (error) {
    if (error instanceof CheckpointError && error.message.length < 4000) return undefined;
    throw new Error(`seed ${seed}: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
  } finally {
    tally.slowest = Math.max(tally.slowest, performance.now() - start);
  }
}

function checkTensors(tally: Tally, seed: number, file: Uint8Array, tensors: Iterable<[string, TensorView]>): void {
  let own = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    tally.tensors++;
    const count = shape.reduce((product, size) => product * size, 1);
    expect(data.length, `seed ${seed}, ${name}`).toBe(count * bytesPerElement(dtype));
    if (data.buffer !== file.buffer) own += data.length;
  }
  tally.most = Math.max(tally.most, own);
  expect(own, `seed ${seed}`).toBeLessThan(MOST_BYTES);
}

function say(what: string, { runs, read, tensors, slowest, most }: Tally): void {
  console.log(
    `${what}: ${runs} inputs, ${read} read, ${runs - read} refused, ${tensors} tensors, slowest ${slowest.toFixed(1)} ms, most copied ${most} bytes`,
  );
}

const newTally = (): Tally => ({ runs: 0, read: 0, tensors: 0, slowest: 0, most: 0 });

const files = new Map([...ZIPS, ...LEGACY].map((name) => [name, new Uint8Array(goldenBytes(name))]));
const archives = new Map(ZIPS.map((name) => [name, unzip(files.get(name)!)]));

test('the archives of the tests are read as they are', () => {
  for (const [name, entries] of archives) {
    const { tensors } = readTorch(zipOf(entries));
    expect([...tensors.keys()], name).toEqual([...readTorch(files.get(name)!).tensors.keys()]);
  }
});

test.each([
  ['zip archives', ZIPS, 60_000],
  ['legacy files', LEGACY, 60_000],
])('mutated %s are refused with a CheckpointError or read into valid tensors', (what, names, runs) => {
  const tally = newTally();
  const memory = process.memoryUsage().rss;
  for (let seed = 0; seed < runs; seed++) {
    const random = seededIntegers(seed);
    const name = names[seed % names.length]!;
    const entries = archives.get(name);
    const whole = files.get(name)!;
    const bytes = entries ? mutateZip(whole, entries, random) : edit(whole, random, PICKLE_PIECES);
    const opaque = random(2) === 0 ? 'refuse' : 'keep';
    const result = tryRead(tally, seed, bytes, () => readTorch(bytes, { opaque }));
    if (result !== undefined) checkTensors(tally, seed, bytes, [...result.tensors, ...result.others]);
  }
  say(what, tally);
  expect(tally.read).toBeGreaterThan(runs / 100);
  expect(tally.read).toBeLessThan(runs - runs / 100);
  expect(tally.slowest).toBeLessThan(MOST_MS);
  expect(process.memoryUsage().rss - memory).toBeLessThan(1e9);
});

test('by ranges, mutated files are asked for ranges within them only', async () => {
  const tally = newTally();
  for (let seed = 0; seed < 10_000; seed++) {
    const random = seededIntegers(1_000_000 + seed);
    const names = [...files.keys()];
    const name = names[seed % names.length]!;
    const entries = archives.get(name);
    const bytes = entries
      ? mutateZip(files.get(name)!, entries, random)
      : edit(files.get(name)!, random, PICKLE_PIECES);
    const source: RangeSource = {
      size: bytes.length,
      read: async (offset, length) => {
        if (!(offset >= 0 && length > 0 && offset + length <= bytes.length))
          throw new RangeError(`${offset} ${length}`);
        return bytes.slice(offset, offset + length);
      },
    };
    tally.runs++;
    const start = performance.now();
    try {
      const file = await openTorch(source);
      const tensors: [string, TensorView][] = [];
      for await (const entry of file.tensors()) tensors.push(entry);
      checkTensors(tally, seed, bytes, tensors);
      tally.read++;
    } catch (error) {
      if (!(error instanceof CheckpointError)) {
        throw new Error(`seed ${seed}: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
      }
    }
    tally.slowest = Math.max(tally.slowest, performance.now() - start);
  }
  say('by ranges', tally);
  expect(tally.read).toBeGreaterThan(100);
  expect(tally.slowest).toBeLessThan(MOST_MS);
});

test('mutated indices are refused with a CheckpointError or open the files beside them only', async () => {
  const shard = (...names: string[]) =>
    writeSafetensors(
      new Map(names.map((name) => [name, { dtype: 'U8', shape: [1], data: Uint8Array.of(1) } as const])),
    );
  const shards = new Map([
    ['m-1.safetensors', shard('a', 'b')],
    ['m-2.safetensors', shard('c')],
  ]);
  const index = new TextEncoder().encode(
    '{"metadata":{"total_size":3},"weight_map":{"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}}',
  );
  const pieces = [
    ...['{', '}', '[', ']', ',', ':', '"', '\\', '\\u0000', '../', '/', '\\\\', 'C:', '..', '.safetensors', 'm-1'],
    ...['"a"', '"weight_map"', '"metadata"', '"__proto__"', 'null', '1e999', '\xff', ' ', '"\\ud800"', '[[[[[['],
  ];
  const tally = newTally();
  const missing = new CheckpointError('open', 'file', 'there', 'none');
  for (let seed = 0; seed < 40_000; seed++) {
    const bytes = edit(index, seededIntegers(seed), pieces);
    tally.runs++;
    const start = performance.now();
    try {
      const file = await openSafetensorsShards(bytes, (name) => {
        if (!/^[\w-]+(\.[\w-]+)*\.safetensors$/.test(name)) throw new Error(`opened ${name}`);
        const found = shards.get(name);
        if (found === undefined) throw missing;
        return { size: found.length, read: async (offset, length) => found.slice(offset, offset + length) };
      });
      expect(file.names.length).toBeGreaterThanOrEqual(0);
      tally.read++;
    } catch (error) {
      if (!(error instanceof CheckpointError)) {
        throw new Error(`seed ${seed}: ${Buffer.from(bytes).toString('latin1')}`, { cause: error });
      }
    }
    tally.slowest = Math.max(tally.slowest, performance.now() - start);
  }
  say('indices', tally);
  expect(tally.read).toBeGreaterThan(100);
  expect(tally.slowest).toBeLessThan(MOST_MS);
});

const MEGABYTES = 6;
const repeated = (piece: Uint8Array, before: Uint8Array = bytesOf('')) =>
  bytesOf(before, Buffer.alloc(Math.floor((MEGABYTES * 1e6) / piece.length) * piece.length, piece));

// What a pickle of 6 MB can ask for at most, of each kind.
test.each<[string, () => Uint8Array]>([
  ['marks', () => repeated(bytesOf('('))],
  ['empty dicts', () => repeated(bytesOf('}'))],
  ['nested lists', () => repeated(bytesOf(']'))],
  ['memo entries', () => repeated(bytesOf('\x94'), bytesOf('N'))],
  ['far memo entries', () => repeated(bytesOf('r\xff\xff\xff\xff'), bytesOf('N'))],
  ['objects of a class', () => repeated(bytesOf('h\x00)\x81'), bytesOf('ca\nb\nq\x00'))],
  ['calls', () => repeated(bytesOf('h\x00)R'), bytesOf('ca\nb\nq\x00'))],
  ['names of globals', () => repeated(bytesOf('ca\nb\n'))],
  ['a list in itself', () => repeated(bytesOf('h\x00a'), bytesOf(']q\x00'))],
  [
    'copies of a set',
    () => repeated(bytesOf('h\x00h\x01R0'), bytesOf('c__builtin__\nset\nq\x00](', 'N'.repeat(1e5), 'e\x85q\x01')),
  ],
  [
    'copies of pairs',
    () =>
      repeated(
        bytesOf('h\x00h\x01R0'),
        bytesOf('ccollections\nOrderedDict\nq\x00](', 'NN\x86'.repeat(1e5), 'e\x85q\x01'),
      ),
  ],
  [
    'copies of bytes',
    () =>
      repeated(
        bytesOf('h\x00h\x01R0'),
        bytesOf('c_codecs\nencode\nq\x00', op.text('x'.repeat(1e6)), op.text('latin1'), '\x86q\x01'),
      ),
  ],
  [
    'longer and longer names',
    () =>
      repeated(
        bytesOf('h\x00', '2', 'h\x01\x86R0'),
        bytesOf('c__builtin__\ngetattr\nq\x00', op.text('x'.repeat(1e6)), 'q\x01'),
      ),
  ],
  [
    'a dict of dicts of a dict',
    () => repeated(bytesOf('}q\x01(', op.text('a'), 'h\x00', op.text('b'), 'h\x00uq\x00'), bytesOf('}q\x00')),
  ],
  ['one text', () => bytesOf('X', little(6e6, 4), Buffer.alloc(6e6, 'x'), '.')],
  ['a line without end', () => bytesOf('c', Buffer.alloc(6e6, 'x'))],
  ['one integer', () => bytesOf('\x8b', little(6e6, 4), Buffer.alloc(6e6, 'x'), '.')],
])('6 MB of %s are read or refused within 20 seconds of CPU and 1.5 GB', (_, pickle) => {
  const body = pickle();
  const zip = zipOf([{ name: 'x/data.pkl', data: bytesOf('\x80\x02', body, '.') }]);
  const magic = bytesOf('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.');
  const machine = bytesOf('\x80\x02', op.dict([op.text('little_endian'), bytesOf('\x88')]), '.');
  for (const bytes of [zip, bytesOf(magic, machine, '\x80\x02', body, '.')]) {
    const memory = process.memoryUsage().rss;
    const before = process.cpuUsage();
    tryRead(newTally(), 0, new Uint8Array(0), () => readTorch(bytes));
    const { user, system } = process.cpuUsage(before);
    // of this process, so that other load on the machine does not count
    expect((user + system) / 1e6).toBeLessThan(20);
    expect(process.memoryUsage().rss - memory).toBeLessThan(1.5e9);
  }
});

test('what is read of the goldens is what safetensors can hold', () => {
  for (const bytes of files.values()) {
    const { tensors } = readTorch(bytes);
    expect(readSafetensors(writeSafetensors(tensors)).tensors.size).toBe(tensors.size);
  }
});
