import { expect, test } from 'vitest';
import { CheckpointError } from './checkpoint-error';
import { toFloat32, toFloat64 } from './decode';
import { readSafetensors } from './read-safetensors';
import { DTYPES } from './tensor-view';
import { fileOf, goldenBytes } from './testing';

type Verdict = {
  name: string;
  file: string;
  error?: string;
  tensors?: Record<string, { dtype: string; shape: number[]; data: string }>;
};

/** What the official implementation reads and we refuse, with the reason. */
const STRICTER: ReadonlyMap<string, string> = new Map([
  ['leading space', 'the format says that the header begins with {'],
  ['duplicate name', 'the format forbids duplicate keys'],
  ['metadata key twice', 'the format forbids duplicate keys'],
  ['tensor as an array', 'not in the format, an accident of the implementation'],
  ['dtype C64', 'no such numbers in JavaScript'],
  ['dtype F4', 'elements below a byte'],
  ['shape 2^60 by 0', 'not a safe integer'],
  ['shape of 65 ones', 'more than 64 dimensions'],
]);

const VERDICTS = JSON.parse(new TextDecoder().decode(goldenBytes('safetensors-verdicts.json'))) as Verdict[];

test.each(VERDICTS)('$name: the same verdict as the official implementation, or a stricter one', (verdict) => {
  const bytes = Buffer.from(verdict.file, 'base64');
  if (verdict.tensors === undefined || STRICTER.has(verdict.name)) {
    expect(() => readSafetensors(bytes)).toThrow(CheckpointError);
    return;
  }
  const read = [...readSafetensors(bytes).tensors].map(([name, { dtype, shape, data }]) => {
    return [name, { dtype, shape, data: Buffer.from(data).toString('hex') }];
  });
  expect(new Map(read as [string, unknown][])).toEqual(new Map(Object.entries(verdict.tensors)));
});

test('the official verdicts are of both kinds, and the stricter ones among them', () => {
  expect(VERDICTS.filter(({ error }) => error === undefined).length).toBeGreaterThan(20);
  expect(VERDICTS.filter(({ error }) => error !== undefined).length).toBeGreaterThan(60);
  const accepted = VERDICTS.filter(({ tensors }) => tensors !== undefined).map(({ name }) => name);
  expect(accepted).toEqual(expect.arrayContaining([...STRICTER.keys()]));
});

const training = readSafetensors(goldenBytes('training.safetensors'));
const f64 = (name: string): Float64Array => toFloat64(training.tensors.get(name)!);
const largest = (x: ArrayLike<number>): number => Math.max(...Array.from(x, Math.abs));
const relativeError = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  largest(Array.from(a, (value, i) => value - b[i]!)) / largest(b);

test('a file of the official library gives its names, shapes and metadata', () => {
  expect(training.tensors.size).toBe(74);
  expect([...training.tensors.keys()].slice(0, 3)).toEqual(['adamw/b0', 'adamw/step0/b', 'adamw/step0/gb']);
  expect(training.tensors.get('attention/q')!.dtype).toBe('F32');
  expect(training.tensors.get('attention/q')!.shape).toEqual([2, 4, 10, 8]);
  expect({ ...training.metadata }).toEqual({
    source: 'torch.optim.AdamW, LambdaLR 1-k/10, clip_grad_norm_(1.0); LDM LitEma; torch.nn',
  });
});

test("torch's EMA in that file follows its formula", () => {
  let shadow = f64('ema/p0');
  for (let k = 1; k <= 5; k++) {
    const decay = Math.min(0.9999, (1 + k) / (10 + k));
    const parameters = f64(`ema/p${k}`);
    shadow = shadow.map((value, i) => value - (1 - decay) * (value - parameters[i]!));
    expect(relativeError(shadow, f64(`ema/shadow${k}`))).toBeLessThan(1e-6);
  }
});

test("torch's first AdamW step in that file follows its formula", () => {
  const gradient = [...f64('adamw/step0/gw'), ...f64('adamw/step0/gb')];
  const norm = Math.hypot(...gradient);
  expect(relativeError([norm], f64('adamw/step0/grad_norm'))).toBeLessThan(1e-12);
  const before = [...f64('adamw/w0'), ...f64('adamw/b0')];
  const after = before.map((value, i) => {
    const clipped = gradient[i]! * Math.min(1, 1 / (norm + 1e-6));
    return value * (1 - 1e-2 * 1e-2) - (1e-2 * clipped) / (Math.abs(clipped) + 1e-8);
  });
  expect(relativeError(after, [...f64('adamw/step0/w'), ...f64('adamw/step0/b')])).toBeLessThan(1e-12);
});

test("torch's float32 SiLU in that file follows its formula", () => {
  const x = toFloat32(training.tensors.get('groupnorm/x')!);
  const y = x.map((value) => value / (1 + Math.exp(-value)));
  expect(relativeError(y, toFloat32(training.tensors.get('silu/y')!))).toBeLessThan(1e-6);
});

test('metadata of any text is read, and is an object without a prototype', () => {
  const { metadata } = readSafetensors(goldenBytes('dtypes.safetensors'));
  expect(metadata.unicode).toBe('Größe 🌊 "\\\n');
  const hostile = readSafetensors(fileOf('{"__metadata__":{"__proto__":"x","toString":"y"}}')).metadata;
  expect(Object.getPrototypeOf(hostile)).toBeNull();
  expect(Object.entries(hostile)).toEqual([
    ['__proto__', 'x'],
    ['toString', 'y'],
  ]);
  expect(Object.keys(readSafetensors(fileOf('{}')).metadata)).toEqual([]);
});

test('tensors keep the order of the header and share the memory of the file', () => {
  const bytes = Buffer.from(goldenBytes('dtypes.safetensors'));
  const { tensors } = readSafetensors(bytes);
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())));
  const { __metadata__: _, ...infos } = JSON.parse(header) as Record<string, unknown>;
  expect([...tensors.keys()]).toEqual(Object.keys(infos));
  const { data } = tensors.get('x')!;
  expect(data.constructor).toBe(Uint8Array);
  expect(data.buffer).toBe(bytes.buffer);
});

test('a file cut at any byte is refused', () => {
  const header =
    '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}}';
  const bytes = fileOf(header, new Array(8).fill(1));
  expect(readSafetensors(bytes).tensors.size).toBe(2);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => readSafetensors(bytes.subarray(0, length)), `${length} bytes`).toThrow(CheckpointError);
  }
  expect(() => readSafetensors(Uint8Array.of(...bytes, 0))).toThrow(CheckpointError);
});

test('a header cut at any byte, its length corrected, is refused', () => {
  const header = `{"__metadata__":{"a":"\\u00e9"},"b":{"dtype":"I16","shape":[1, 2],"data_offsets":[0,4],"x":[null,-1.5e3]}}`;
  expect(readSafetensors(fileOf(header, [0, 0, 0, 0])).tensors.size).toBe(1);
  for (let length = 0; length < header.length; length++) {
    expect(() => readSafetensors(fileOf(header.slice(0, length), [0, 0, 0, 0]))).toThrow(CheckpointError);
  }
});

function catchError(body: () => void): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

const tensor = (dtype = '"U8"', shape = '[2]', offsets = '[0,2]') =>
  `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
const one = (...parts: Parameters<typeof tensor>) => fileOf(`{"w":${tensor(...parts)}}`, [1, 2]);
const two = (a: string, b: string) => fileOf(`{"a":${a},"b":${b}}`, [1, 2, 3, 4]);

test.each<[string, Uint8Array, string]>([
  ['a file of 7 bytes', new Uint8Array(7), 'file must be at least 8 bytes, got 7'],
  [
    'a header longer than the file',
    fileOf('{}', [], 3n),
    'header length must be at most the 2 bytes that follow it, got 3',
  ],
  [
    'a header of 100,000,001 bytes',
    fileOf('{}', [], 100_000_001n),
    'header length must be at most 100000000 bytes, got 100000001',
  ],
  [
    'a header of 2^64 - 1 bytes',
    fileOf('{}', [], 2n ** 64n - 1n),
    'header length must be at most 100000000 bytes, got 18446744073709551615',
  ],
  ['a header that is not UTF-8', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), 'header must be UTF-8, got other bytes'],
  ['a byte order mark', fileOf('\ufeff{}'), 'header must be JSON, got "\\ufeff" at character 0'],
  ['an empty header', fileOf(''), 'header must be JSON, got its end at character 0'],
  ['a header that is not JSON', fileOf('{"w":}'), 'header must be JSON, got "}" at character 5'],
  ['text after the header', fileOf('{}{}'), 'header must be JSON, got "{" at character 2'],
  ['a header that is an array', fileOf('[]'), 'header must be an object, got an array'],
  [
    'white space before the header',
    fileOf(' {}'),
    'header must be an object from its first byte on, got white space before it',
  ],
  [
    'a name given twice',
    fileOf(`{"w":${tensor()},"w":${tensor()}}`, [1, 2]),
    'header must be free of duplicate keys, got "w" twice',
  ],
  [
    'a field given twice',
    fileOf('{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"shape":[2]}}', [1, 2]),
    'tensor "w" must be free of duplicate keys, got "shape" twice',
  ],
  [
    'the dtype given twice',
    fileOf('{"w":{"dtype":"U8","dtype":"U8"}}'),
    'tensor "w" must be free of duplicate keys, got "dtype" twice',
  ],
  [
    'the offsets given twice',
    fileOf('{"w":{"data_offsets":[0,0],"data_offsets":[0,0]}}'),
    'tensor "w" must be free of duplicate keys, got "data_offsets" twice',
  ],
  [
    'metadata given twice',
    fileOf('{"__metadata__":{},"__metadata__":{}}'),
    'header must be free of duplicate keys, got "__metadata__" twice',
  ],
  [
    'a metadata key given twice',
    fileOf('{"__metadata__":{"toString":"","toString":""}}'),
    '__metadata__ must be free of duplicate keys, got "toString" twice',
  ],
  [
    '100,001 metadata keys',
    fileOf(`{"__metadata__":{${Array.from({ length: 100_001 }, (_, i) => `"k${i}":""`).join()}}}`),
    '__metadata__ must be of at most 100000 keys, got more',
  ],
  [
    'deep nesting',
    fileOf(`{"w":{"x":${'['.repeat(1e5)}`),
    'header must be nested at most 128 levels deep, got more at character 139',
  ],
  [
    'metadata that is an array',
    fileOf('{"__metadata__":[]}'),
    '__metadata__ must be an object of strings, got an array',
  ],
  [
    'metadata that is not text',
    fileOf('{"__metadata__":{"step":1}}'),
    '__metadata__ "step" must be a string, got a number',
  ],
  [
    'a tensor that is a number',
    fileOf('{"w":1}'),
    'tensor "w" must be an object with dtype, shape and data_offsets, got a number',
  ],
  ['no dtype', fileOf('{"w":{"shape":[2],"data_offsets":[0,2]}}', [1, 2]), 'tensor "w" dtype must be given, got none'],
  ['no shape', fileOf('{"w":{"dtype":"U8","data_offsets":[0,2]}}', [1, 2]), 'tensor "w" shape must be given, got none'],
  [
    'no data_offsets',
    fileOf('{"w":{"dtype":"U8","shape":[2]}}', [1, 2]),
    'tensor "w" data_offsets must be given, got none',
  ],
  ['a dtype that is null', one('null'), 'tensor "w" dtype must be a string, got null'],
  ['an unknown dtype', one('"C64"'), `tensor "w" dtype must be one of ${DTYPES.join(', ')}, got "C64"`],
  ['a shape that is a number', one('"U8"', '2'), 'tensor "w" shape must be an array of integers, got a number'],
  ['a negative dimension', one('"U8"', '[-2]'), 'tensor "w" shape[0] must be an integer of 0 .. 2^53 - 1, got -2'],
  ['a fractional dimension', one('"U8"', '[2.0]'), 'tensor "w" shape[0] must be an integer of 0 .. 2^53 - 1, got 2.0'],
  [
    'a dimension of 2^53',
    one('"U8"', '[9007199254740992]'),
    'tensor "w" shape[0] must be an integer of 0 .. 2^53 - 1, got 9007199254740992',
  ],
  [
    'a dimension of a million digits',
    one('"U8"', `[1${'0'.repeat(1e6)}]`),
    'tensor "w" shape[0] must be an integer of 0 .. 2^53 - 1, got 1000000000000000000000000000000000000000...',
  ],
  [
    'a dimension that is a string',
    one('"U8"', '["2"]'),
    'tensor "w" shape[0] must be an integer of 0 .. 2^53 - 1, got a string',
  ],
  [
    '65 dimensions',
    one('"U8"', `[${new Array(65).fill(1).join()}]`),
    'tensor "w" shape must be at most 64 integers, got more',
  ],
  [
    'a shape whose product is 2^64',
    one('"U8"', '[4294967296,4294967296]'),
    'tensor "w" shape must be of less than 2^53 elements, got [4294967296, 4294967296]',
  ],
  ['one offset', one('"U8"', '[2]', '[0]'), 'tensor "w" data_offsets must be 2 integers, got 1'],
  ['three offsets', one('"U8"', '[2]', '[0,2,2]'), 'tensor "w" data_offsets must be at most 2 integers, got more'],
  [
    'offsets that are an object',
    one('"U8"', '[2]', '{}'),
    'tensor "w" data_offsets must be an array of integers, got an object',
  ],
  [
    'a negative offset',
    one('"U8"', '[2]', '[-2,0]'),
    'tensor "w" data_offsets[0] must be an integer of 0 .. 2^53 - 1, got -2',
  ],
  ['descending offsets', one('"U8"', '[2]', '[2,0]'), 'tensor "w" data_offsets must be ascending, got [2, 0]'],
  [
    'an offset beyond the file',
    one('"U8"', '[3]', '[0,3]'),
    'tensor "w" data_offsets must be within the 2 bytes after the header, got [0, 3]',
  ],
  [
    'a range that disagrees with dtype and shape',
    one('"F32"'),
    'tensor "w" data_offsets must be 8 bytes apart for F32 [2], got [0, 2], which is 2',
  ],
  [
    'overlapping ranges',
    two(tensor('"U8"', '[3]', '[0,3]'), tensor('"U8"', '[2]', '[2,4]')),
    'tensor "b" data_offsets must be from 3 on, where the tensors before it end, got [2, 4], an overlap',
  ],
  [
    'a hole',
    two(tensor('"U8"', '[1]', '[0,1]'), tensor('"U8"', '[2]', '[2,4]')),
    'tensor "b" data_offsets must be from 1 on, where the tensors before it end, got [2, 4], a hole',
  ],
  [
    'bytes after the last tensor',
    one('"U8"', '[1]', '[0,1]'),
    'data after the header must be 1 bytes, where the last tensor ends, got 2',
  ],
  [
    'a long name',
    fileOf(`{"${'layer.'.repeat(1000)}":1}`),
    'tensor "layer.layer.layer.layer.layer.layer.layer.layer.layer.layer."... (6000 characters) must be an object with dtype, shape and data_offsets, got a number',
  ],
])('%s: refused, and the message says where and why', (_, bytes, message) => {
  const caught = catchError(() => readSafetensors(bytes));
  expect(caught).toBeInstanceOf(CheckpointError);
  expect((caught as CheckpointError).message).toBe(`readSafetensors: ${message}`);
});

test('the error says its parts separately too', () => {
  const error = catchError(() => readSafetensors(one('"F32"')));
  expect(error).toBeInstanceOf(CheckpointError);
  const { name, op, part, expected, actual } = error as CheckpointError;
  expect({ name, op, part, expected, actual }).toEqual({
    name: 'CheckpointError',
    op: 'readSafetensors',
    part: 'tensor "w" data_offsets',
    expected: '8 bytes apart for F32 [2]',
    actual: '[0, 2], which is 2',
  });
});

test('a claim of petabytes in a small file costs no memory', () => {
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 100; i++) {
    expect(() => readSafetensors(fileOf('{}', [], 99_999_999n))).toThrow(CheckpointError);
    expect(() => readSafetensors(one('"F64"', '[1125899906842624]', '[0,9007199254740991]'))).toThrow(CheckpointError);
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
});
