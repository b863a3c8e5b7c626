import { expect, test } from 'vitest';
import { CheckpointError } from '../checkpoint-error';
import { PickleCut, readPickle } from './pickle-machine';
import { describeValue, NumpyArray, OpaqueObject, PickleDict, PickleList, type PickleValue } from './pickle-values';
import { bytesOf, little, op } from './testing';

const fail = (part: string, expected: string, actual: string) => new CheckpointError('read', part, expected, actual);
const storage = () => {
  throw new Error('no storages here');
};
const read = (...parts: Parameters<typeof bytesOf>) => readPickle(bytesOf(...parts, '.'), { part: 'p', fail, storage });

/** Containers as arrays and pairs. */
function plain(value: PickleValue): unknown {
  if (value instanceof PickleList) return value.items.map(plain);
  if (value instanceof PickleDict) return { dict: [...value.entries].map(([key, item]) => [plain(key), plain(item)]) };
  if (value instanceof OpaqueObject) return { [value.how]: value.name };
  if (value instanceof NumpyArray) return value.view;
  if (value instanceof Uint8Array) return [...value];
  return typeof value === 'object' && value !== null ? describeValue(value) : value;
}

const long = (value: bigint, length: number) => {
  const bytes = Array.from({ length }, (_, i) => Number(BigInt.asUintN(8, value >> BigInt(8 * i))));
  return bytesOf('\x8a', length, Uint8Array.from(bytes));
};

// What Python's pickle.loads gives for the same bytes.
test.each<[string, Uint8Array, unknown]>([
  ['None', bytesOf('N'), null],
  ['True and False', bytesOf('\x88\x89\x86'), [true, false]],
  ['integers of 1, 2 and 4 bytes', bytesOf('K\xffM\xff\xffJ\xfe\xff\xff\xff\x87'), [255, 65535, -2]],
  ['LONG1 of no bytes', bytesOf('\x8a\x00'), 0],
  ['LONG1', bytesOf(long(-1n, 1), long(255n, 2), long(-256n, 2), '\x87'), [-1, 255, -256]],
  ['integers beyond 2^53', bytesOf(long(2n ** 53n - 1n, 8), long(2n ** 80n, 11), '\x86'), [2 ** 53 - 1, 2n ** 80n]],
  ['LONG4', bytesOf('\x8b', little(2, 4), '\x00\x80'), -32768],
  ['BINFLOAT', bytesOf('G\x3f\xf8\x00\x00\x00\x00\x00\x00'), 1.5],
  ['text', bytesOf('\x8c\x02\xc3\xa9', op.text('a'), '\x8d', little(1, 8), 'b\x87'), ['é', 'a', 'b']],
  ['bytes', bytesOf('C\x01\xff', 'B', little(1, 4), 'a\x8e', little(0, 8), '\x87'), [[255], [97], []]],
  ['a bytearray', bytesOf('\x96', little(1, 8), 'a'), [97]],
  ['Python 2’s strings', bytesOf('U\x01aT', little(1, 4), '\xff\x86'), ['a', [255]]],
  ['a frame', bytesOf('\x95', little(1, 8), 'N'), null],
  ['a tuple of one and a list', bytesOf('K\x01\x85](K\x02e\x86'), [[1], [2]]],
  ['LIST and APPEND', bytesOf('(K\x01lK\x02a'), [1, 2]],
  ['sets', bytesOf('\x8f(K\x01\x90(K\x02\x91\x86'), [[1], [2]]],
  [
    'DICT and SETITEM',
    bytesOf('(K\x01K\x02dK\x03K\x04s'),
    {
      dict: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  ['a key set twice', bytesOf('}(K\x01K\x02K\x01K\x03u'), { dict: [[1, 3]] }],
  [
    'the memo',
    bytesOf(']q\x05', 'r', little(300, 4), '\x94h\x05j', little(300, 4), 'h\x02\x87\x86'),
    [[], [[], [], []]],
  ],
  ['POP, POP_MARK and DUP', bytesOf('K\x01(K\x02K\x031K\x0402\x86'), [1, 1]],
  ['STACK_GLOBAL', bytesOf(op.text('a.b'), op.text('C'), '\x93'), 'a.b.C'],
  [
    'Python 2’s modules',
    bytesOf(op.global('__builtin__.set'), op.global('copy_reg.x'), '\x86'),
    ['builtins.set', 'copyreg.x'],
  ],
  [
    'OrderedDict of pairs',
    op.call('collections.OrderedDict', op.list(op.list(op.int(1), op.int(2)))),
    { dict: [[1, 2]] },
  ],
  [
    'defaultdict',
    bytesOf(op.call('collections.defaultdict', op.global('builtins.dict')), 'K\x01K\x02s'),
    { dict: [[1, 2]] },
  ],
  ['Counter', op.call('collections.Counter', op.dict([op.int(1), op.int(2)])), { dict: [[1, 2]] }],
  ['a set by a call', op.call('builtins.set', op.list(op.int(1))), [1]],
  ['an empty tuple by a call', op.call('builtins.tuple'), []],
  [
    'torch.Size and torch.device',
    bytesOf(op.call('torch.Size', op.tuple(op.int(3))), op.call('torch.device', op.text('cuda'), op.int(1)), '\x86'),
    [[3], 'cuda:1'],
  ],
  ['bytes of protocol 2', op.call('_codecs.encode', op.text('\u00ffa'), op.text('latin1')), [255, 97]],
  ['empty bytes of protocol 2', op.call('builtins.bytes'), []],
  ['an object of an unknown class', bytesOf(op.global('a.B'), ')\x81', '}b'), { instance: 'a.B' }],
  ['NEWOBJ_EX', bytesOf(op.global('a.B'), ')}\x92'), { instance: 'a.B' }],
  [
    'copyreg._reconstructor',
    op.call('copyreg._reconstructor', op.global('a.B'), op.global('builtins.object'), bytesOf('N')),
    { instance: 'a.B' },
  ],
  ['a call of an unknown function', op.call('a.b', op.int(1)), { call: 'a.b' }],
])('%s', (_, pickle, expected) => {
  expect(plain(read(pickle).value)).toEqual(expected);
  expect(read(pickle).end).toBe(pickle.length + 1);
});

const float = op.call('numpy.dtype', op.text('f4'), bytesOf('\x89'), bytesOf('\x88'));
const order = (dtype: Uint8Array, sign: string) => bytesOf(dtype, op.tuple(op.int(3), op.text(sign)), 'b');
const bytes = (...values: number[]) => bytesOf('C', values.length, Uint8Array.from(values));
const array = (shape: number[], dtype: Uint8Array, fortran: boolean, data: Uint8Array) =>
  bytesOf(
    op.call('numpy.core.multiarray._reconstruct', op.global('numpy.ndarray'), op.tuple(op.int(0)), bytes(98)),
    op.tuple(op.int(1), op.tuple(...shape.map(op.int)), dtype, bytesOf(fortran ? '\x88' : '\x89'), data),
    'b',
  );
const type = (code: string) => op.call('numpy.dtype', op.text(code));

test.each<[string, Uint8Array, unknown]>([
  ['a scalar', op.call('numpy.core.multiarray.scalar', order(float, '<'), bytes(0, 0, 192, 63)), 1.5],
  ['a scalar of numpy 2', op.call('numpy._core.multiarray.scalar', type('i8'), bytes(3, 0, 0, 0, 0, 0, 0, 0)), 3],
  ['a flag', op.call('numpy.core.multiarray.scalar', type('b1'), bytes(1)), true],
  [
    'a scalar of text',
    op.call('numpy.core.multiarray.scalar', type('U1'), bytes(1)),
    { instance: 'numpy.dtype("U1")' },
  ],
  [
    'an array',
    array([2, 1], type('u1'), false, bytes(1, 2)),
    { dtype: 'U8', shape: [2, 1], data: Uint8Array.of(1, 2) },
  ],
  [
    'an array by columns',
    array([2, 3], type('i1'), true, bytes(1, 2, 3, 4, 5, 6)),
    { dtype: 'I8', shape: [2, 3], data: Uint8Array.of(1, 3, 5, 2, 4, 6) },
  ],
  [
    'an array of Python 2',
    array([2], type('u1'), false, bytesOf('U\x02\xc3\xa9')),
    { dtype: 'U8', shape: [2], data: Uint8Array.of(0xc3, 0xa9) },
  ],
  ['an array of objects', array([1], type('O8'), false, op.list(op.int(1))), undefined],
])('numpy: %s', (_, pickle, expected) => {
  const value = plain(read(pickle).value);
  expect(value).toEqual(expected);
});

test.each<[string, Uint8Array]>([
  ['a big-endian array', array([1], order(type('i2'), '>'), false, bytes(0, 1))],
  ['too few bytes', array([3], type('i2'), false, bytes(0, 1))],
  ['a shape of too many elements', array([2 ** 30, 2 ** 30], type('i1'), false, bytes())],
  ['a shape that is none', bytesOf(op.call('numpy.core.multiarray._reconstruct'), op.tuple(op.int(1), op.int(1)), 'b')],
  ['a state that is none', bytesOf(type('i1'), 'Nb')],
  ['a scalar of nothing', op.call('numpy.core.multiarray.scalar')],
  ['a dtype of nothing', op.call('numpy.dtype')],
  ['a call of no function', bytesOf('N)R')],
  ['arguments that are no tuple', bytesOf(op.global('a.b'), 'NR')],
  ['an object of no class', bytesOf('N)\x81')],
  ['attributes of a list', bytesOf(']}b')],
  ['an item of no list', bytesOf('}Na')],
  ['an item of no dict', bytesOf(']NNs')],
  ['half a pair', bytesOf('}(Nu')],
  ['a global of no names', bytesOf('NN\x93')],
  ['a protocol to come', bytesOf('\x80\x06')],
  ['text that is not UTF-8', bytesOf('\x8c\x01\xff')],
  ['an integer of a kilobyte', bytesOf('\x8b', little(1024, 4))],
  ['nothing in the memo', bytesOf('h\x01')],
  ['an empty stack', bytesOf('0')],
  ['no mark', bytesOf('Nt')],
  ['a mark as a value', bytesOf('(\x85')],
  ['more than one value', bytesOf('NN')],
  ['no value', bytesOf('')],
  ['pairs that are none', op.call('collections.OrderedDict', op.list(op.int(1)))],
  ['a dict of a number', op.call('collections.OrderedDict', op.int(1))],
  ['a list of a number', op.call('builtins.list', op.int(1))],
  ['a device without a name', op.call('torch.device', op.int(1))],
  ['another encoding', op.call('_codecs.encode', op.text('a'), op.text('rot13'))],
  ['characters that are no bytes', op.call('_codecs.encode', op.text('\u0100'), op.text('latin1'))],
  ['a parameter of nothing', op.call('torch._utils._rebuild_parameter')],
  [
    'a type of an unknown function',
    op.call('torch._tensor._rebuild_from_type_v2', op.global('os.system'), op.global('a.B'), op.tuple()),
  ],
])('refused: %s', (_, pickle) => {
  let message = 'not refused';
  try {
    read(pickle);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    message = error.message;
  }
  expect(message).toMatchSnapshot();
});

test.each([
  ['F', 'FLOAT (0x46)'],
  ['I', 'INT (0x49)'],
  ['L', 'LONG (0x4c)'],
  ['P', 'PERSID (0x50)'],
  ['S', 'STRING (0x53)'],
  ['V', 'UNICODE (0x56)'],
  ['g', 'GET (0x67)'],
  ['i', 'INST (0x69)'],
  ['o', 'OBJ (0x6f)'],
  ['p', 'PUT (0x70)'],
  ['\x82', 'EXT1 (0x82)'],
  ['\x83', 'EXT2 (0x83)'],
  ['\x84', 'EXT4 (0x84)'],
  ['\x97', 'NEXT_BUFFER (0x97)'],
  ['\x98', 'READONLY_BUFFER (0x98)'],
  ['\xff', '0xff'],
])('opcode %j is refused by name', (opcode, name) => {
  expect(() => read('N', opcode)).toThrow(`read: p byte 1 opcode must be one that holds data, got ${name}`);
});

test('every opcode is read, or refused by its name', () => {
  for (let opcode = 0; opcode < 256; opcode++) {
    try {
      read(opcode, 'N');
    } catch (error) {
      expect(error instanceof CheckpointError || error instanceof PickleCut, `opcode ${opcode}`).toBe(true);
    }
  }
});

test('a pickle cut at any byte asks for more', () => {
  const whole = bytesOf(
    '\x80\x04\x95',
    little(9, 8),
    op.global('a.B'),
    op.dict([op.text('key'), bytesOf('\x8a\x01\x05')]),
    '\x86.',
  );
  for (let length = 0; length < whole.length; length++) {
    expect(() => readPickle(whole.subarray(0, length), { part: 'p', fail, storage })).toThrow(PickleCut);
  }
});

test('operations are limited', () => {
  const many = new Uint8Array(5_000_002).fill('N'.charCodeAt(0));
  expect(() => readPickle(many, { part: 'p', fail, storage })).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: read: p byte 4999999 must be of at most 5000000 operations, got more]`,
  );
});
