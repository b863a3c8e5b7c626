import fc from 'fast-check';
import { expect, test } from 'vitest';
import { float16View, float32View, int32View } from './encode';
import { readSafetensors } from './read-safetensors';
import { bytesPerElement, DTYPES, type StateDict, type TensorView } from './tensor-view';
import { goldenBytes } from './testing';
import { safetensorsPieces, writeSafetensors } from './write-safetensors';

const u8 = (...data: number[]): TensorView => ({ dtype: 'U8', shape: [data.length], data: Uint8Array.from(data) });
const headerOf = (file: Uint8Array): string => {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return new TextDecoder().decode(file.subarray(8, 8 + length));
};

/** Any valid state dict: any names, dtypes, shapes (scalars and empty ones too) and bytes. */
const stateDicts: fc.Arbitrary<StateDict> = fc
  .uniqueArray(
    fc.tuple(
      fc.string({ unit: 'binary', maxLength: 8 }).filter((name) => name !== '__metadata__'),
      fc.constantFrom(...DTYPES),
      fc.array(fc.nat(3), { maxLength: 3 }),
      fc.nat(255),
    ),
    { selector: ([name]) => name, maxLength: 6 },
  )
  .map((rows) => {
    return new Map(
      rows.map(([name, dtype, shape, byte]) => {
        const length = shape.reduce((a, b) => a * b, bytesPerElement(dtype));
        return [name, { dtype, shape, data: new Uint8Array(length).map((_, i) => byte + 37 * i) }];
      }),
    );
  });

test('any state dict and metadata come back bit for bit, in their order', () => {
  const metadata = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(stateDicts, metadata, (tensors, texts) => {
      const file = writeSafetensors(tensors, texts);
      const read = readSafetensors(file);
      expect([...read.tensors]).toEqual([...tensors]);
      expect(Object.entries(read.metadata)).toEqual(Object.entries(texts));
      for (const { dtype, data } of read.tensors.values()) expect(data.byteOffset % bytesPerElement(dtype)).toBe(0);
      expect(writeSafetensors(read.tensors, read.metadata)).toEqual(file);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test.each(['training.safetensors', 'dtypes.safetensors'])('%s of the official library survives', (name) => {
  const golden = readSafetensors(goldenBytes(name));
  const again = readSafetensors(writeSafetensors(golden.tensors, golden.metadata));
  expect(again.metadata).toEqual(golden.metadata);
  expect([...again.tensors]).toEqual(
    [...golden.tensors].map(([key, view]) => [key, { ...view, data: new Uint8Array(view.data) }]),
  );
});

test('a file is written byte for byte as the format has it', () => {
  const file = writeSafetensors(new Map([['w', int32View(Int32Array.of(1, -2), [2, 1])]]), { a: 'é' });
  const header = '{"__metadata__":{"a":"é"},"w":{"dtype":"I32","shape":[2,1],"data_offsets":[0,8]}}';
  expect(headerOf(file)).toBe(`${header}      `);
  expect(file[0]).toBe(88);
  expect([...file.subarray(1, 8)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect([...file.subarray(96)]).toEqual([1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
});

test('wide elements lie before narrow ones and the header keeps the order given', () => {
  const tensors: StateDict = new Map([
    ['b', u8(1, 2, 3)],
    ['a', float32View(Float32Array.of(1), [1])],
    ['d', float16View(Float32Array.of(1), [1])],
    ['c', float32View(Float32Array.of(2), [1])],
  ]);
  const file = writeSafetensors(tensors);
  const infos = JSON.parse(headerOf(file)) as Record<string, { data_offsets: number[] }>;
  expect(Object.entries(infos).map(([name, info]) => [name, ...info.data_offsets])).toEqual([
    ['b', 10, 13],
    ['a', 0, 4],
    ['d', 8, 10],
    ['c', 4, 8],
  ]);
  expect([...readSafetensors(file).tensors.keys()]).toEqual(['b', 'a', 'd', 'c']);
});

test('metadata is written only where it is given', () => {
  expect(headerOf(writeSafetensors(new Map()))).toBe('{}      ');
  expect(headerOf(writeSafetensors(new Map(), {}))).toBe('{"__metadata__":{}}     ');
});

test('the file holds copies', () => {
  const view = u8(5);
  const file = writeSafetensors(new Map([['w', view]]));
  view.data[0] = 6;
  expect([...readSafetensors(file).tensors.get('w')!.data]).toEqual([5]);
});

test('names that are reserved or have no UTF-8 form are refused', () => {
  expect(() => writeSafetensors(new Map([['__metadata__', u8(1)]]))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: tensor name must be other than __metadata__, got just that]`,
  );
  expect(() => writeSafetensors(new Map([['a\ud800', u8(1)]]))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: tensor name must be well-formed Unicode, got "a\\ud800"]`,
  );
});

test('data of another length than dtype and shape ask for is refused', () => {
  const short: TensorView = { dtype: 'F32', shape: [2, 2], data: new Uint8Array(15) };
  expect(() => writeSafetensors(new Map([['w', short]]))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: tensor "w" data must be 16 bytes for F32 [2, 2], got 15]`,
  );
  const negative: TensorView = { dtype: 'F32', shape: [-1], data: new Uint8Array(4) };
  expect(() => writeSafetensors(new Map([['w', negative]]))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: tensor "w" shape must be integers >= 0 with a product below 2^53, got [-1]]`,
  );
  const unknown = { dtype: 'C64', shape: [1], data: new Uint8Array(8) } as unknown as TensorView;
  expect(() => writeSafetensors(new Map([['w', unknown]]))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: tensor "w" dtype must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, got "C64"]`,
  );
});

test('a tensor of more dimensions than the reader takes is refused', () => {
  const deep: TensorView = { dtype: 'U8', shape: new Array(65).fill(1), data: new Uint8Array(1) };
  expect(() => writeSafetensors(new Map([['w', deep]]))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: tensor "w" shape must be of at most 64 dimensions, got 65]`,
  );
});

test('metadata that is not text is refused', () => {
  const numbers = { step: 3 } as unknown as Record<string, string>;
  expect(() => writeSafetensors(new Map(), numbers)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: metadata "step" must be a string, got number]`,
  );
  expect(() => writeSafetensors(new Map(), { '\udc00': '' })).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: metadata key must be well-formed Unicode, got "\\udc00"]`,
  );
  expect(() => writeSafetensors(new Map(), { a: '\udc00' })).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: metadata "a" must be well-formed Unicode, got "\\udc00"]`,
  );
});

test('a header that no reader would take is refused', () => {
  const metadata = { text: 'x'.repeat(100_000_000) };
  expect(() => writeSafetensors(new Map(), metadata)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: header must be at most 100000000 bytes, got 100000032]`,
  );
});

test('more metadata keys than the reader takes are refused', () => {
  const metadata = Object.fromEntries(Array.from({ length: 100_001 }, (_, i) => [`k${i}`, '']));
  expect(() => writeSafetensors(new Map(), metadata)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: writeSafetensors: metadata must be of at most 100000 keys, got 100001]`,
  );
});

test('the pieces are the file, and the data in them is not copied', () => {
  const tensors = new Map([
    ['bytes', { dtype: 'U8' as const, shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ['wide', float32View(Float32Array.of(0.5, -1), [2])],
    ['none', float32View(new Float32Array(0), [0])],
  ]);
  const pieces = safetensorsPieces(tensors, { step: '7' });
  expect(Buffer.concat(pieces).equals(writeSafetensors(tensors, { step: '7' }))).toBe(true);
  expect(pieces[1]).toBe(tensors.get('wide')?.data); // the widest elements first
  expect(pieces.at(-1)).toBe(tensors.get('bytes')?.data);
});
