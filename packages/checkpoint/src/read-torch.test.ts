import { describe, expect, test } from 'vitest';
import { CheckpointError } from './checkpoint-error';
import { readTorch } from './read-torch';
import { goldenBytes } from './testing';
import { bytesOf, little, op, storageId, tensorOf, torchZip, zipOf } from './torch/testing';

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const FLOATS = storageId('torch.FloatStorage', '0', 4);
const W = tensorOf(FLOATS, [2, 2], [2, 1]);
const STORED = { 0: floats(1, 2, 3, 4) };
const dictOf = (...entries: [string, Uint8Array][]) =>
  op.dict(...entries.map(([key, value]): [Uint8Array, Uint8Array] => [op.text(key), value]));

/** The message with which a pickle, without PROTO and STOP, is refused. */
function refusal(pickle: Uint8Array, storages: Record<string, Uint8Array> = STORED): string {
  return messageOf(() => readTorch(torchZip(pickle, storages)));
}

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof CheckpointError) return error.message;
    throw error;
  }
  return 'not refused';
}

describe('names', () => {
  const names = (pickle: Uint8Array) => [...readTorch(torchZip(pickle, STORED)).tensors.keys()];

  test.each(['state_dict', 'model_state_dict', 'model', 'module', 'params'])('%s alone is left out', (wrapper) => {
    const pickle = dictOf(
      ['epoch', op.int(3)],
      [wrapper, dictOf(['a.weight', W])],
      ['optimizer', dictOf(['x', op.list(W)])],
    );
    const { tensors, others, wrapper: found, metadata } = readTorch(torchZip(pickle, STORED));
    expect([[...tensors.keys()], [...others.keys()], found]).toEqual([['a.weight'], ['optimizer.x.0'], wrapper]);
    expect({ ...metadata }).toEqual({ epoch: 3 });
  });

  test('another key is kept', () => {
    expect(names(dictOf(['encoder', dictOf(['weight', W])]))).toEqual(['encoder.weight']);
  });

  test('beside a second state dict it is kept', () => {
    const pickle = dictOf(['state_dict', dictOf(['w', W])], ['ema', dictOf(['w', W])]);
    expect(names(pickle)).toEqual(['state_dict.w', 'ema.w']);
  });

  test('a file of one tensor has it under the empty name', () => {
    expect(names(W)).toEqual(['']);
  });

  test('keys that are no text have names too', () => {
    const pickle = op.dict([op.int(7), W], [op.global('a.B'), W], [op.tuple(op.int(1), op.text('x')), W]);
    expect(names(pickle)).toEqual(['7', 'a.B', '(1, "x")']);
  });

  test('two tensors of one name are refused', () => {
    expect(refusal(dictOf(['a.b', W], ['a', dictOf(['b', W])]))).toMatchInlineSnapshot(
      `"readTorch: tensor "a.b" must be of a name of its own, got two of that name"`,
    );
  });

  test('__proto__ is a name like others', () => {
    const { tensors, metadata } = readTorch(
      torchZip(dictOf(['__proto__', W], ['x', dictOf(['__proto__', op.int(1)])]), STORED),
    );
    expect([...tensors.keys()]).toEqual(['__proto__']);
    expect(Object.entries(metadata)).toEqual([['x.__proto__', 1]]);
  });
});

describe('unknown objects', () => {
  const unknownCall = op.call('subprocess.run', op.text('ls'));
  const instance = bytesOf(op.global('my.Config'), ')\x81}b');

  test('an unknown call is refused by name wherever it lies', () => {
    expect(refusal(unknownCall)).toMatchInlineSnapshot(
      `"readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of subprocess.run"`,
    );
    const wrapped = dictOf(['state_dict', dictOf(['w', W])], ['args', unknownCall], ['x', op.call('os.system')]);
    expect(refusal(wrapped)).toMatchInlineSnapshot(
      `"readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of subprocess.run, os.system"`,
    );
    expect(refusal(dictOf(['w', W], ['x', op.call('a b\u202e.c\u0000d')]))).toMatchInlineSnapshot(
      `"readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of "a b..c\\u0000d""`,
    );
  });

  test('an unknown instance beside the state dict stays unread, within it is refused by name', () => {
    const beside = dictOf(['state_dict', dictOf(['w', W])], ['args', instance]);
    expect(readTorch(torchZip(beside, STORED)).opaque).toEqual(['my.Config']);
    const within = dictOf(['state_dict', dictOf(['w', W], ['args', instance])]);
    expect(refusal(within)).toMatchInlineSnapshot(
      `"readTorch: state dict must be of tensors and plain values (or pass { opaque: 'keep' }), got an instance of my.Config at "args""`,
    );
    const kept = readTorch(torchZip(within, STORED), { opaque: 'keep' });
    expect([[...kept.tensors.keys()], kept.opaque]).toEqual([['w'], ['my.Config']]);
    expect(refusal(instance)).toMatchInlineSnapshot(
      `"readTorch: object must be tensors or a container of them (save the state_dict of a model), got an instance of my.Config"`,
    );
  });

  test('a name alone is no call', () => {
    const { opaque, metadata } = readTorch(torchZip(dictOf(['w', W], ['f', op.global('os.system')]), STORED));
    expect([opaque, { ...metadata }]).toEqual([[], { f: 'os.system' }]);
  });

  test('a member of a class is a longer name, and calling it an unknown call', () => {
    const member = op.call('builtins.getattr', op.global('os.path'), op.text('join'));
    expect(readTorch(torchZip(dictOf(['w', W], ['m', member]), STORED)).metadata.m).toBe('os.path.join');
    expect(refusal(dictOf(['w', W], ['m', bytesOf(member, op.tuple(op.text('a')), 'R')]))).toMatchInlineSnapshot(
      `"readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of os.path.join"`,
    );
    expect(refusal(dictOf(['m', op.call('builtins.getattr', W, op.text('data'))]))).toMatchInlineSnapshot(
      `"readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of builtins.getattr"`,
    );
  });

  test('what is listed is cut', () => {
    const calls = Array.from({ length: 30 }, (_, i): [string, Uint8Array] => [`${i}`, op.call(`a.b${i}`)]);
    expect(refusal(dictOf(...calls))).toMatchInlineSnapshot(
      `"readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of a.b0, a.b1, a.b2, a.b3, a.b4, a.b5, a.b6, a.b7, a.b8, a.b9, a.b10, a.b11, a.b12, a.b13, a.b14, a.b15, a.b16, a.b17, a.b18, a.b19, and 10 more"`,
    );
    const instances = calls.map(([key]): [string, Uint8Array] => [key, instance]);
    const tensors = calls.map(([key]): [string, Uint8Array] => [`w${key}`, W]);
    expect(refusal(dictOf(...instances, ...tensors))).toMatchInlineSnapshot(
      `"readTorch: state dict must be of tensors and plain values (or pass { opaque: 'keep' }), got an instance of my.Config at "0", an instance of my.Config at "1", an instance of my.Config at "2", an instance of my.Config at "3", an instance of my.Config at "4", an instance of my.Config at "5", an instance of my.Config at "6", an instance of my.Config at "7", an instance of my.Config at "8", an instance of my.Config at "9", and 20 more"`,
    );
  });

  test('objects of unknown classes may contain themselves', () => {
    const node = bytesOf(op.global('a.Node'), ')\x81q\x00(', op.text('parent'), 'h\x00u');
    expect(readTorch(torchZip(dictOf(['model', dictOf(['w', W])], ['n', node]), STORED)).opaque).toEqual(['a.Node']);
  });
});

describe('tensors are checked against their storages, and storages against the file', () => {
  test('bounds', () => {
    expect(refusal(tensorOf(FLOATS, [2, 2], [2, 1], 1))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 120 torch._utils._rebuild_tensor_v2 tensor must be within the 16 bytes of its storage, got a last byte at 20"`,
    );
    expect(refusal(tensorOf(FLOATS, [5], [1]))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 110 torch._utils._rebuild_tensor_v2 tensor must be within the 16 bytes of its storage, got a last byte at 20"`,
    );
    expect(refusal(tensorOf(FLOATS, [2 ** 30, 2 ** 30], [2 ** 30, 2 ** 30]))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 120 torch._utils._rebuild_tensor_v2 tensor shape must be integers >= 0 with a product below 2^53, got [1073741824, 1073741824]"`,
    );
    expect(refusal(tensorOf(FLOATS, [2], [-1]))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 110 torch._utils._rebuild_tensor_v2 stride must be of integers of 0 .. 2^53 - 1, got -1"`,
    );
    expect(refusal(tensorOf(FLOATS, [2], [1], -1))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 110 torch._utils._rebuild_tensor_v2 storage offset must be of integers of 0 .. 2^53 - 1, got -1"`,
    );
    expect(refusal(tensorOf(FLOATS, [2], [1, 1]))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 115 torch._utils._rebuild_tensor_v2 tensor strides must be 1 for [2], got 2"`,
    );
    expect(refusal(tensorOf(FLOATS, Array(65).fill(1), Array(65).fill(1)))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 750 torch._utils._rebuild_tensor_v2 size must be of at most 64 dimensions, got 65"`,
    );
  });

  test('a tensor far larger than its storage is refused before it is made', () => {
    expect(refusal(tensorOf(FLOATS, [2 ** 15, 2 ** 15], [0, 0]))).toMatchInlineSnapshot(
      `"readTorch: tensor "" must be of at most 16780000 bytes, with what other strided tensors take, got 4294967296 more"`,
    );
    expect(refusal(tensorOf(FLOATS, [2 ** 30, 2 ** 30], [0, 0]))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 120 torch._utils._rebuild_tensor_v2 tensor shape must be integers >= 0 with a product below 2^53, got [1073741824, 1073741824]"`,
    );
    const { tensors } = readTorch(torchZip(tensorOf(FLOATS, [3, 2], [0, 1], 2), STORED));
    expect(tensors.get('')!.data).toEqual(floats(3, 4, 3, 4, 3, 4));
  });

  test('storages', () => {
    expect(refusal(W, {})).toMatchInlineSnapshot(`"readTorch: zip entry "x/data/0" must be present, got none"`);
    expect(refusal(W, { 0: floats(1, 2, 3) })).toMatchInlineSnapshot(
      `"readTorch: zip entry "x/data/0" must be 16 bytes, got 12"`,
    );
    expect(refusal(tensorOf(storageId('torch.ComplexFloatStorage', '0', 4), [], []))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 96 storage type must be one of torch.DoubleStorage, FloatStorage, HalfStorage, BFloat16Storage, LongStorage, IntStorage, ShortStorage, CharStorage, ByteStorage, BoolStorage, UntypedStorage, got torch.ComplexFloatStorage"`,
    );
    expect(refusal(tensorOf(storageId('torch.UntypedStorage', '0', 16), [], []))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 102 torch._utils._rebuild_tensor_v2 storage must be of a type, got UntypedStorage"`,
    );
    expect(refusal(tensorOf(op.text('s'), [], []))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 52 torch._utils._rebuild_tensor_v2 storage must be a storage, got "s""`,
    );
    expect(refusal(bytesOf(op.tuple(op.text('module')), 'Q'))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 15 persistent id must be "storage", got "module""`,
    );
    expect(refusal(bytesOf(op.text('0'), 'Q'))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 8 persistent id must be a tuple, got "0""`,
    );
    expect(refusal(bytesOf(op.tuple(op.text('storage'), op.text('F')), 'Q'))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 22 storage type must be a class, got "F""`,
    );
    expect(refusal(bytesOf(op.tuple(op.text('storage'), op.global('torch.FloatStorage')), 'Q'))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 36 storage key must be text, got None"`,
    );
    expect(refusal(storageId('torch.FloatStorage', '0', -1))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 55 storage elements must be an integer of 0 .. 2^53 - 1, got -1"`,
    );
  });

  test('bytes are viewed as the element type that the tensor tells', () => {
    const integers = (...values: number[]) => op.tuple(...values.map(op.int));
    const rebuild = (dtype: string) =>
      op.call(
        'torch._utils._rebuild_tensor_v3',
        storageId('torch.storage.UntypedStorage', '0', 16),
        op.int(1),
        integers(3),
        integers(2),
        bytesOf('\x89'),
        op.dict(),
        op.global(dtype),
      );
    const [view] = readTorch(torchZip(rebuild('torch.uint16'), STORED)).tensors.values();
    const halves = new Uint16Array(STORED[0].buffer.slice(0));
    expect(view).toEqual({
      dtype: 'U16',
      shape: [3],
      data: new Uint8Array(Uint16Array.of(halves[1]!, halves[3]!, halves[5]!).buffer),
    });
    expect(refusal(rebuild('torch.complex64'))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 141 torch._utils._rebuild_tensor_v3 dtype must be one of torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool, got torch.complex64"`,
    );
  });

  test('a view of a storage, as legacy files have it, lies within it', () => {
    const view = (offset: number, elements: number) =>
      storageId('torch.FloatStorage', '0', 4, op.tuple(op.text('v'), op.int(offset), op.int(elements)));
    const { tensors } = readTorch(torchZip(tensorOf(view(1, 3), [2], [1], 1), STORED));
    expect(tensors.get('')!.data).toEqual(floats(3, 4));
    expect(refusal(tensorOf(view(1, 3), [4], [1]))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 128 torch._utils._rebuild_tensor_v2 tensor must be within the 12 bytes of its storage, got a last byte at 16"`,
    );
    expect(refusal(tensorOf(view(2, 3), [1], [1]))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 107 storage view must be within 16 bytes, got 8 + 12"`,
    );
    expect(refusal(storageId('torch.FloatStorage', '0', 4, op.int(1)))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 60 storage view must be a tuple, got 1"`,
    );
  });
});

describe('objects', () => {
  test('a cycle of plain containers is refused', () => {
    expect(refusal(bytesOf(']q\x00h\x00a'))).toMatchInlineSnapshot(
      `"readTorch: object "0" must be free of cycles, got one that contains itself"`,
    );
  });

  test('deep nesting is refused', () => {
    expect(refusal(bytesOf(']'.repeat(102), 'a'.repeat(101)))).toMatchInlineSnapshot(
      `"readTorch: object must be nested at most 100 levels deep, got deeper"`,
    );
    expect(refusal(bytesOf(']'.repeat(100), 'a'.repeat(99)))).toBe('not refused');
  });

  test('containers named from ever more places are refused in time', () => {
    let pickle = bytesOf(']', op.int(1), 'a');
    for (let i = 0; i < 60; i++) pickle = bytesOf(pickle, `q\x000](h\x00h\x00e`);
    const start = performance.now();
    expect(refusal(pickle)).toMatchInlineSnapshot(
      `"readTorch: object must be a tree, or near one, got containers named from so many places"`,
    );
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test('work that a file asks for again and again is refused in time', () => {
    const encode = bytesOf(op.global('_codecs.encode'), 'q\x010', op.text('x'.repeat(100_000)), 'q\x020');
    const again = bytesOf('h\x01(h\x02', op.text('latin1'), 'tR0').toString();
    expect(refusal(bytesOf(encode, again.repeat(2000), 'N'))).toMatchInlineSnapshot(
      `"readTorch: data.pkl byte 100103 must be of at most 341598 steps of work, got more"`,
    );
  });
});

describe('files', () => {
  const data = { name: 'x/data.pkl', data: bytesOf('\x80\x02}.') };

  test('that are something else', () => {
    expect(messageOf(() => readTorch(new Uint8Array(0)))).toMatchInlineSnapshot(
      `"readTorch: file must be of torch.save, a zip archive or its legacy pickles, got one that begins with nothing"`,
    );
    expect(messageOf(() => readTorch(goldenBytes('dtypes.safetensors')))).toMatchInlineSnapshot(
      `"readTorch: file must be of torch.save, a zip archive or its legacy pickles, got one that begins with 78 05 00 00 00 00 00 00 7b 22 5f 5f 6d 65 74 61"`,
    );
    expect(messageOf(() => readTorch(bytesOf('\x80\x02}.')))).toMatchInlineSnapshot(
      `"readTorch: file must be of torch.save, a zip archive or its legacy pickles, got one that begins with 80 02 7d 2e"`,
    );
    const tar = new Uint8Array(600);
    tar.set(bytesOf('ustar'), 257);
    expect(messageOf(() => readTorch(tar))).toMatchInlineSnapshot(
      `"readTorch: file must be of torch.save, a zip archive or its legacy pickles, got a tar archive of PyTorch before 0.1.10 (save it again)"`,
    );
    expect(messageOf(() => readTorch(zipOf([{ ...data, name: 'x/y' }])))).toMatchInlineSnapshot(
      `"readTorch: zip archive must be one of torch.save, with one NAME/data.pkl, got 0 of them"`,
    );
    expect(messageOf(() => readTorch(zipOf([data, { ...data, name: 'y/data.pkl' }])))).toMatchInlineSnapshot(
      `"readTorch: zip archive must be one of torch.save, with one NAME/data.pkl, got 2 of them"`,
    );
  });

  test('TorchScript is refused', () => {
    const script = zipOf([data, { name: 'x/constants.pkl', data: bytesOf(').') }]);
    expect(messageOf(() => readTorch(script))).toMatchInlineSnapshot(
      `"readTorch: zip archive must be one of torch.save, got TorchScript (save the state_dict of the module instead)"`,
    );
  });

  test('big-endian machines are refused', () => {
    const zip = (order: string) => zipOf([data, { name: 'x/byteorder', data: bytesOf(order) }]);
    expect(readTorch(zip('little')).tensors.size).toBe(0);
    expect(messageOf(() => readTorch(zip('big')))).toMatchInlineSnapshot(
      `"readTorch: byteorder must be "little", got "big""`,
    );
    expect(messageOf(() => readTorch(zip('x'.repeat(99))))).toMatchInlineSnapshot(
      `"readTorch: zip entry "x/byteorder" must be at most 16 bytes, got 99"`,
    );
  });

  test('a pickle without its end is refused', () => {
    expect(messageOf(() => readTorch(zipOf([{ ...data, data: bytesOf('\x80\x02}') }])))).toMatchInlineSnapshot(
      `"readTorch: data.pkl must be a whole pickle, got 3 bytes without its end"`,
    );
  });

  test.each(['torch-lightning.ckpt', 'torch-lightning-legacy.ckpt'])('%s cut at any byte is refused', (file) => {
    const bytes = goldenBytes(file);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readTorch(bytes.subarray(0, length)), `${length} bytes`).toThrow(CheckpointError);
    }
  });
});

describe('legacy files', () => {
  const magic = bytesOf('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.');
  const version = (value: number) => bytesOf('\x80\x02', op.int(value), '.');
  const machine = bytesOf('\x80\x02', op.dict([op.text('little_endian'), bytesOf('\x88')]), '.');
  const legacyOf = (pickle: Uint8Array, keys: Uint8Array, ...data: Uint8Array[]) =>
    bytesOf(magic, version(1001), machine, '\x80\x02', pickle, '.', '\x80\x02', keys, '.', ...data);
  const KEYS = op.list(op.text('0'));
  const DATA = [little(4, 8), STORED[0]];

  test('are read', () => {
    expect(readTorch(legacyOf(W, KEYS, ...DATA)).tensors.get('')!.data).toEqual(floats(1, 2, 3, 4));
  });

  test('say what is wrong with them', () => {
    const refused = (bytes: Uint8Array) => messageOf(() => readTorch(bytes));
    expect(refused(bytesOf(magic, version(1000), machine))).toMatchInlineSnapshot(
      `"readTorch: version must be 1001, got 1000"`,
    );
    expect(refused(legacyOf(W, KEYS, little(3, 8), STORED[0]))).toMatchInlineSnapshot(
      `"readTorch: storage "0" length must be 4, got 3"`,
    );
    expect(refused(legacyOf(W, KEYS, little(4, 8), STORED[0].subarray(1)))).toMatchInlineSnapshot(
      `"readTorch: storage "0" must be within the 205 bytes of the file, got 206"`,
    );
    expect(refused(legacyOf(W, op.list(), ...DATA))).toMatchInlineSnapshot(
      `"readTorch: storage "0" must be among the storage keys, got none of them"`,
    );
    expect(refused(legacyOf(W, op.list(op.text('1')), ...DATA))).toMatchInlineSnapshot(
      `"readTorch: storage keys must be keys of the object, got "1""`,
    );
    expect(refused(legacyOf(W, op.list(op.text('0'), op.text('0')), ...DATA, ...DATA))).toMatchInlineSnapshot(
      `"readTorch: storage keys must be free of duplicates, got "0""`,
    );
    expect(refused(legacyOf(W, op.int(1), ...DATA))).toMatchInlineSnapshot(
      `"readTorch: storage keys must be a list, got 1"`,
    );
    const big = op.dict([op.text('little_endian'), bytesOf('\x89')]);
    expect(refused(bytesOf(magic, version(1001), '\x80\x02', big, '.'))).toMatchInlineSnapshot(
      `"readTorch: machine little_endian must be True, got false"`,
    );
    const two = dictOf(['a', W], ['b', tensorOf(storageId('torch.FloatStorage', '0', 3), [], [])]);
    expect(refused(legacyOf(two, KEYS, ...DATA))).toMatchInlineSnapshot(
      `"readTorch: storage "0" must be 16 bytes, got 12"`,
    );
  });
});
